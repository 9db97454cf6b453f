import { ThreadkeepError } from "../../api/errors.ts";
import type { JobKind } from "../../api/job.ts";
import { type JobStanding, LATE_AFTER_SENDS, REPORT_AFTER_FAILURES } from "../../lib/retry-policy.ts";
import { noteChange } from "../log/index.ts";
import type { EmbedJob, JobRow, SummarizeJob } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { isHeld, released, removesErased } from "./jobs.ts";

/** Failing jobs: which of them operators have on their list, and how operators retry or drop one. */

/** The state of a job as operators see it; `over` if it does not exist any more. */
export function standingOf(job: JobRow | null, now: number): JobStanding {
  if (job === null) return "over";
  if (job.state === "failed") return "given-up";
  return isHeld(job, now) ? "held" : "pending";
}

/**
 * Whether operators may have this job on their list of failed or late jobs. If so, whoever ends the job has to remove
 * it from there.
 */
export function mayBeListed({ state, failures, sends, firstFailedAt }: JobRow): boolean {
  const hasFailed = state === "failed" || failures >= REPORT_AFTER_FAILURES || firstFailedAt !== null;
  return hasFailed || sends >= LATE_AFTER_SENDS;
}

/**
 * The same, for the job as it is stored now. Read when a job ends, because another delivery may have failed since this
 * one began.
 */
export function mayBeKnown(unit: Unit, jobId: string): boolean {
  const job = unit.store.jobs.byId(jobId);
  return job !== null && mayBeListed(job);
}

/**
 * Records in the job that operators were told of a failed delivery, or of one that the queue gave up. The job may not
 * know of it: when another delivery makes progress, earlier failures are cleared. This does not count as a failed
 * attempt.
 * @param failedAt ms since 1970. If the job knows of a later failure, that one stays its last
 * @returns false if the job is over, and need not be on the list
 */
export function noteUndelivered(unit: Unit, job: JobRow | null, reason: string, failedAt: number): boolean {
  if (job === null) return false;
  const { firstError, firstFailedAt } = job;
  unit.store.jobs.put({
    ...job,
    firstError: firstError ?? reason,
    lastError: reason,
    firstFailedAt: firstFailedAt ?? failedAt,
    lastFailedAt: Math.max(job.lastFailedAt ?? 0, failedAt),
  });
  return true;
}

/**
 * Makes a job due now. One that had failed becomes pending again. Idempotent.
 * @returns false if the job does not exist any more
 */
export function retryJob(unit: Unit, jobId: string): boolean {
  const { store } = unit;
  const job = unit.row === null ? null : store.jobs.byId(jobId);
  if (job === null) return false;
  // Summaries and vectors fail for good after a number of failures, so the count starts again at 0. Other jobs never
  // do: their count stays just below the threshold for a report, so that operators are told if the next attempt fails
  // too.
  const canFail = job.kind === "summarize" || job.kind === "embed";
  const failures = canFail ? 0 : Math.min(job.failures, REPORT_AFTER_FAILURES - 1);
  store.jobs.put({ ...job, state: "pending", failures, nextSendAt: unit.now });
  return true;
}

/**
 * Sets a job to failed, if no guarantee depends on it: a summary that only continues from the last one (without it,
 * messages stay verbatim), or vectors (without them, messages are found by their words). It becomes pending again when
 * the session continues after a while, or when a client asks.
 * @returns false if the job does not exist any more
 * @throws ThreadkeepError `job_needed` if the job must be done
 */
export function dropJob(unit: Unit, jobId: string): boolean {
  const job = unit.row === null ? null : unit.store.jobs.byId(jobId);
  if (job === null) return false;
  const advice = adviceOf(unit, job);
  if (advice !== null) {
    throw new ThreadkeepError({
      code: "job_needed",
      detail: `${advice} Nothing was changed.`,
      facts: { kind: job.kind },
    });
  }
  if (job.state === "failed") return true;
  unit.store.jobs.put({
    ...released(job),
    state: "failed",
    lastError: "dropped by an operator",
    lastFailedAt: unit.now,
  });
  if (job.kind === "summarize") noteChange(unit, "summaryFailed", { throughSeq: job.throughSeq });
  return true;
}

/**
 * Deletes a job that is done.
 * @returns whether operators may have it on their list
 */
export function endJob(unit: Unit, jobId: string): boolean {
  const isKnown = mayBeKnown(unit, jobId);
  unit.store.jobs.delete(jobId);
  return isKnown;
}

/**
 * Ends a job that has nothing left to do. If operators may have it on their list, it is not deleted but scheduled, so
 * that a consumer takes it once more and removes it from that list.
 */
export function callOff({ store, now }: Unit, job: SummarizeJob | EmbedJob): void {
  if (!mayBeListed(job)) {
    store.jobs.delete(job.id);
    return;
  }
  store.jobs.deleteInProgress(job.id);
  store.jobs.put({ ...released(job), goal: { is: "called-off" }, state: "pending", throughSeq: 0, nextSendAt: now });
}

/** Why a job cannot be dropped, and what to do instead; null if it can. */
function adviceOf(unit: Unit, job: JobRow): string | null {
  if (job.kind === "embed") return null;
  if (job.kind !== "summarize") return ADVICE[job.kind] ?? NEWER_KIND;
  if (job.goal.is === "upgrade") {
    return "It replaces a fallback summary, which would otherwise stay for good. Fix the summarizer and retry the job, or pause the tenant's summaries.";
  }
  if (!removesErased(unit, job)) return null;
  return "It removes something from the summary that was edited or erased. Fix the summarizer and retry the job, or erase the session.";
}

const ADVICE: Readonly<Partial<Record<JobKind, string>>> = {
  archive:
    "PostgreSQL would never receive the session. Fix the cause of the error and retry the job, or erase the session.",
  erase: "Something that was erased would stay in PostgreSQL. Fix the cause of the error and retry the job.",
  "erase-copies": "Something that was erased would stay in copies of the session. Retry the job.",
  expire:
    "The session would be kept longer than its settings allow. Retry the job, or set the session's expireAfterIdleSeconds to null.",
  fork: "The copy would stay incomplete. Retry the job, or erase the copy.",
  list: "The list of sessions would filter by outdated metadata of the session. Retry the job.",
  restore: "The session would lack the items that it is to start with. Retry the job, or erase the session.",
};
/** The advice for a kind that this version does not know: a later version created the job, and was then rolled back. */
const NEWER_KIND =
  "This version of the service does not know this kind of job. Deploy the version that created it, and retry the job.";
