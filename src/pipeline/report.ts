import { type Failure, type JobMessage, setAsideIdOf } from "../api/job.ts";
import { type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { SetAsideRows } from "../archive/set-aside.ts";
import type { OperationsClient } from "../control/client.ts";
import type { UserClient } from "../directory/user-client.ts";
import { type JobStanding, isReported, LATE_AFTER_SENDS } from "../lib/retry-policy.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import type { Delivery } from "./delivery.ts";
import type { GatheredReports } from "./gather-reports.ts";
import type { JobLedger } from "./job-ledger.ts";

/** What the session object noted of a failed attempt. */
export interface ReportedFailure {
  readonly failures: number;
  readonly gaveUp: boolean;
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** The job that a failure is of. One that is about all of a user names no session, and belongs to no epoch of one. */
export type ReportedJob = Pick<JobMessage, "tenant" | "owner" | "session" | "jobId"> & {
  readonly kind: string;
  readonly epoch?: string;
  readonly trace?: string | undefined;
};

/** The part of a session's object that knows what became of a job. */
export interface JobKeeper {
  jobStanding(jobId: string, epoch: string): Promise<JobStanding>;
  /**
   * @param failedAt when it failed, if the object knows of that; by default it is a failure of now
   * @returns false if the job is over, and operators need not know
   */
  noteUndelivered(jobId: string, epoch: string, reason: string, failedAt?: number): Promise<boolean>;
}

export interface ReportDeps {
  readonly sessions: { get(ref: SessionRef): JobKeeper };
  readonly operations: Pick<OperationsClient, "clear" | "settleLate"> & Pick<GatheredReports, "report">;
  readonly users: Pick<UserClient, "readErasure">;
  readonly log: Log;
  /** Of the batch that is being handled. */
  readonly ledger?: JobLedger;
}

/**
 * Tells operators of work that keeps failing: the log of the first failure and of those that are indexed. A registry that is out
 * of reach must not fail the work itself.
 */
export async function reportFailure(
  parts: ReportDeps,
  job: ReportedJob,
  reason: string,
  report: ReportedFailure | null,
): Promise<void> {
  if (report === null) return;
  const { failures, gaveUp } = report;
  parts.ledger?.fail(job.jobId, gaveUp);
  parts.log.warn("job_failed", {
    kind: job.kind,
    jobId: job.jobId,
    failures,
    gaveUp,
    reason,
    traceId: traceIdOf(job.trace),
  });
  if (isReported(failures) || gaveUp) await indexFailure(parts, job, reason, report);
}

/** Puts a job on the list of failures that operators read. Rejects if its object cannot be told of that: the delivery has to come again. */
export async function indexFailure(
  parts: ReportDeps,
  job: ReportedJob,
  reason: string,
  { failures, gaveUp, firstError, firstFailedAt, lastFailedAt }: ReportedFailure,
): Promise<void> {
  try {
    await noteFailedJob(parts, {
      jobId: job.jobId,
      kind: job.kind,
      tenant: job.tenant,
      owner: job.owner,
      session: job.session,
      state: gaveUp ? "failed" : "retrying",
      reason,
      attempts: failures,
      firstError,
      firstFailedAt: new Date(firstFailedAt).toISOString(),
      lastError: reason,
      lastFailedAt: new Date(lastFailedAt).toISOString(),
    });
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
    // The erasure of a user may be over by now. Its delivery that comes again takes it off the list.
    if (job.epoch === undefined) throw error;
  }
  // It may be on the list all the same: an answer can be lost, and what is asked afterwards can fail.
  if (!gaveUp) await noteListed(parts, job, reason, lastFailedAt);
}

/**
 * Another delivery may have done the job, or some of it, while this one told of its failure, and have taken it off the list before it was
 * there. That is said afterwards: from then on whoever does the rest knows that it is on the list.
 */
async function noteListed(parts: ReportDeps, job: ReportedJob, reason: string, failedAt: number): Promise<void> {
  if (job.epoch === undefined) return;
  const isPending = await parts.sessions.get(job).noteUndelivered(job.jobId, job.epoch, reason, failedAt);
  if (!isPending) await parts.operations.clear(job.jobId);
}

/**
 * Puts a failure on the list, unless its user was erased. That is asked afterwards: asked before, an erasure could end in between. One
 * under way takes it off the list itself.
 */
export async function noteFailedJob(parts: ReportDeps, failure: Failure): Promise<void> {
  await parts.operations.report(failure);
  const { tenant, owner, jobId } = failure;
  if (owner === "" || owner === TENANT_OWNER) return;
  const erasure = await parts.users.readErasure({ tenant, owner });
  if (erasure?.state === "erased") await parts.operations.clear(jobId);
}

/**
 * Puts the rows of a session that PostgreSQL refuses on the list of failures that operators read, or takes them off it once none is
 * left. Rejects if the list is out of reach: nobody else tells of them.
 */
export async function reportSetAside(
  parts: ReportDeps,
  job: JobMessage,
  { total, named }: SetAsideRows,
): Promise<void> {
  const { kind, tenant, owner, session, epoch } = job;
  const jobId = setAsideIdOf(epoch);
  if (total === 0) {
    await parts.operations.clear(jobId);
    return;
  }
  const codes = [...new Set(named.map(({ code }) => code))].join(", ");
  parts.log.error("archive_rows_set_aside", { jobId: job.jobId, rows: total, codes });
  const names = named.map(({ name }) => name).join(", ");
  const reason = `archive: ${total === 1 ? "a row" : `${total} rows`} set aside, which PostgreSQL refuses (${codes}): ${names}${total > named.length ? " …" : ""}`;
  const now = new Date().toISOString();
  const told = { reason, firstError: reason, firstFailedAt: now, lastError: reason, lastFailedAt: now };
  await noteFailedJob(parts, { jobId, kind, tenant, owner, session, state: "set-aside", attempts: 1, ...told });
}

/** What kind of failure it was. A database's own message may quote the data, so its code must do. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const cause = error.cause instanceof Error ? error.cause : error;
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
}

/**
 * Takes a job that went well off the lists that operators read, if it can be on one of them.
 * @param hasFailed as its object knows: an attempt failed, or operators were told of a delivery that came to nothing
 */
export async function reportRecovery(
  parts: ReportDeps,
  { job, attempts }: Delivery,
  hasFailed: boolean,
): Promise<void> {
  // A delivery that comes again may have listed the job, and not have come to tell its object.
  if (hasFailed || isLate(job) || attempts > 1) await clearFailure(parts, job);
}

/** Says that a job is no longer late, if its session may have told so: it is done, or held back on purpose. */
export async function settleLate(parts: ReportDeps, job: JobMessage): Promise<void> {
  if (!isLate(job)) return;
  try {
    await parts.operations.settleLate(job.jobId);
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
  }
}

/**
 * Says of a job of which nothing is pending any more that it is done, if operators may know of it: whoever did it may never have heard
 * that it was, and taken it off no list. That delivery comes again, be it the first that was sent. One that was given up stays there.
 */
export async function settleOver(parts: ReportDeps, { job, attempts }: Delivery): Promise<void> {
  if (!isLate(job) && attempts === 1) return;
  const standing = await parts.sessions.get(job).jobStanding(job.jobId, job.epoch);
  if (standing === "over") await clearFailure(parts, job);
  else await settleLate(parts, job);
}

function isLate({ sends = 1 }: JobMessage): boolean {
  return sends >= LATE_AFTER_SENDS;
}

/** Takes a job off the lists of what fails and of what is late, on which it need not be. */
export async function clearFailure(parts: ReportDeps, job: Pick<JobMessage, "jobId">): Promise<void> {
  try {
    await parts.operations.clear(job.jobId);
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
  }
}
