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

/** What a session (or, for a user's erasure, the directory) returns when a failed attempt is noted. */
export interface ReportedFailure {
  readonly failures: number;
  readonly gaveUp: boolean;
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** The job that failed. A user's erasure names no session and has no epoch. */
export type ReportedJob = Pick<JobMessage, "tenant" | "owner" | "session" | "jobId"> & {
  readonly kind: string;
  readonly epoch?: string;
  readonly trace?: string | undefined;
};

/** The methods of a session that say what became of a job. */
interface JobKeeper {
  jobStanding(jobId: string, epoch: string): Promise<JobStanding>;
  /**
   * Notes that the job is on the operators' list, so that whoever completes it takes it off.
   * @param failedAt the time of a failure that the session has already noted, ms since 1970; if absent, this is a new
   *   failure
   * @returns false if the job is over, and operators need not know
   */
  noteUndelivered(jobId: string, epoch: string, reason: string, failedAt?: number): Promise<boolean>;
}

export interface ReportDeps {
  readonly sessions: { get(ref: SessionRef): JobKeeper };
  readonly operations: Pick<OperationsClient, "clear" | "end" | "settleLate"> & Pick<GatheredReports, "report">;
  readonly users: Pick<UserClient, "readErasure">;
  readonly log: Log;
  /** Of the batch that is being handled. */
  readonly ledger?: JobLedger;
}

/**
 * Logs a failed attempt, and lists it for operators after the first failure, some later ones (`isReported`) and the
 * last. If the list of failures is out of reach, the job itself is not affected.
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

/**
 * Adds a job to the list of failures that operators read. Rejects if the session cannot be told that its job is listed:
 * the message must then be delivered again.
 */
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
    // The erasure may be over by now. Throwing makes the queue deliver the message again, which takes the entry off the
    // list.
    if (job.epoch === undefined) throw error;
  }
  // Also after an error: the entry may have been stored though the answer was lost.
  if (!gaveUp) await noteListed(parts, job, reason, lastFailedAt);
}

/**
 * Another delivery may have completed the job and cleared its entry before this one added it. The session is therefore
 * told after the entry was added: if the job is over, the entry is removed here; otherwise whoever completes it will
 * remove it.
 */
async function noteListed(parts: ReportDeps, job: ReportedJob, reason: string, failedAt: number): Promise<void> {
  if (job.epoch === undefined) return;
  const isPending = await parts.sessions.get(job).noteUndelivered(job.jobId, job.epoch, reason, failedAt);
  if (!isPending) await parts.operations.end(job.jobId);
}

/**
 * Lists a failure, and removes it again if its user was erased. The check comes after listing: otherwise the erasure
 * could end between check and listing. An erasure that is still running clears the list itself.
 */
export async function noteFailedJob(parts: ReportDeps, failure: Failure): Promise<void> {
  await parts.operations.report(failure);
  const { tenant, owner, jobId } = failure;
  if (owner === "" || owner === TENANT_OWNER) return;
  const erasure = await parts.users.readErasure({ tenant, owner });
  // An erasure that ran for the last time has deleted its own record, so there is none.
  const isOver = failure.kind === "erase-user" ? erasure?.state !== "erasing" : erasure?.state === "erased";
  if (isOver) await parts.operations.clear(jobId);
}

/**
 * Lists the rows of a session that PostgreSQL refuses, or removes the entry once there are none. Rejects if the list is
 * out of reach, because nothing else reports these rows.
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

/**
 * Names the kind of an error: its code, or its class. The message is not used, because PostgreSQL's messages may quote
 * stored data.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const cause = error.cause instanceof Error ? error.cause : error;
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
}

/**
 * Takes a job that succeeded off the operators' lists, if it may be on one.
 * @param hasFailed what the session says: an attempt failed, or operators were told of a dead letter
 */
export async function reportRecovery(
  parts: ReportDeps,
  { job, attempts }: Delivery,
  hasFailed: boolean,
): Promise<void> {
  // An earlier delivery of this message may have listed the job without reaching the session afterwards.
  if (hasFailed || isLate(job) || attempts > 1) await clearFailure(parts, job);
}

/** Takes a job off the list of late jobs, because it progressed or is paused on purpose. */
export async function settleLate(parts: ReportDeps, job: JobMessage): Promise<void> {
  if (!isLate(job)) return;
  try {
    await parts.operations.settleLate(job.jobId);
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
  }
}

/**
 * Takes a job that is no longer pending off the operators' lists. The delivery that completed it may not have received
 * the session's answer, and so not have cleared the entry. A job that was given up stays on the list.
 */
export async function settleOver(parts: ReportDeps, { job, attempts }: Delivery): Promise<void> {
  if (!isLate(job) && attempts === 1) return;
  const standing = await parts.sessions.get(job).jobStanding(job.jobId, job.epoch);
  if (standing === "over") await endFailure(parts, job);
  else await settleLate(parts, job);
}

function isLate({ sends = 1 }: JobMessage): boolean {
  return sends >= LATE_AFTER_SENDS;
}

/**
 * Takes a job that is over off both lists, also if a report of it is still on its way. An unreachable list is only
 * logged.
 */
export async function endFailure(parts: ReportDeps, job: Pick<JobMessage, "jobId">): Promise<void> {
  try {
    await parts.operations.end(job.jobId);
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
  }
}

/**
 * Takes a job off the lists of failed and of late jobs. It does no harm if the job is on neither; an unreachable list
 * is only logged.
 */
export async function clearFailure(parts: ReportDeps, job: Pick<JobMessage, "jobId">): Promise<void> {
  try {
    await parts.operations.clear(job.jobId);
  } catch (error) {
    parts.log.error("operations_unreachable", errorFields(error));
  }
}
