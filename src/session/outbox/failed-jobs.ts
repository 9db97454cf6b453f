import { ThreadkeepError } from "../../api/errors.ts";
import type { JobKind } from "../../api/job.ts";
import { type JobStanding, LATE_AFTER_SENDS, REPORT_AFTER_FAILURES } from "../../lib/retry-policy.ts";
import { noteChange } from "../log/index.ts";
import type { JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { isHeld } from "./jobs.ts";

/** What operators hear of work that fails, and may do about it: have it tried again now, or have it given up. */

export function standingOf(job: JobRow | null, now: number): JobStanding {
  if (job === null) return "over";
  if (job.state === "failed") return "given-up";
  return isHeld(job, now) ? "held" : "pending";
}

/** Whether operators may have a job on their lists: whoever ends it takes it off. */
export function mayBeListed({ state, failures, sends, firstFailedAt }: JobRow): boolean {
  const hasFailed = state === "failed" || failures >= REPORT_AFTER_FAILURES || firstFailedAt !== null;
  return hasFailed || sends >= LATE_AFTER_SENDS;
}

/** The same of a job as it is now. Asked by whoever ends it: another delivery may have failed since this one began. */
export function mayBeKnown(unit: Unit, jobId: string): boolean {
  const job = unit.store.jobs.byId(jobId);
  return job !== null && mayBeListed(job);
}

/** Of work that goes on well: whatever failed before is over. */
export const NEVER_FAILED = {
  failures: 0,
  sends: 0,
  firstError: null,
  lastError: null,
  firstFailedAt: null,
  lastFailedAt: null,
} as const satisfies Partial<JobRow>;

/**
 * Notes that operators were told of a delivery which failed, or which the queue gave up: what was noted of that may be forgotten since,
 * because another delivery came further. No attempt fails by it.
 * @param failedAt ms since 1970; a failure that the job knows of and that came later stays its last
 * @returns false if the job is over, and they need not know
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

/** Makes a job due now; one that was given up is pending again. Idempotent. @returns false if it is no longer pending */
export function retryJob(unit: Unit, jobId: string): boolean {
  const { store } = unit;
  const job = unit.row === null ? null : store.jobs.byId(jobId);
  if (job === null) return false;
  // A summary is given up by its failures, and so are vectors. Of the rest none is ever given up, and operators hear at once when it fails anew.
  const isGivenUp = job.kind === "summarize" || job.kind === "embed";
  const failures = isGivenUp ? 0 : Math.min(job.failures, REPORT_AFTER_FAILURES - 1);
  store.jobs.put({ ...job, state: "pending", failures, nextSendAt: unit.now });
  return true;
}

/**
 * Gives a job up, if no promise rests on it: a summary that goes on from the last one, without which the messages stay word for word, or
 * vectors, without which they are found by their words. It is pending again when the session goes on after a rest, or somebody asks.
 * Throws of one that has to be done. @returns false if there is none any more
 */
export function dropJob(unit: Unit, jobId: string): boolean {
  const job = unit.row === null ? null : unit.store.jobs.byId(jobId);
  if (job === null) return false;
  const advice = adviceOf(job);
  if (advice !== null) {
    throw new ThreadkeepError({
      code: "job_needed",
      detail: `${advice} Nothing was changed.`,
      facts: { kind: job.kind },
    });
  }
  if (job.state === "failed") return true;
  unit.store.jobs.put({
    ...job,
    state: "failed",
    lease: null,
    leaseUntil: null,
    baseVersion: null,
    chunkThroughSeq: null,
    lastError: "dropped by an operator",
    lastFailedAt: unit.now,
  });
  if (job.kind === "summarize") noteChange(unit, "summaryFailed", { throughSeq: job.throughSeq });
  return true;
}

/** Takes a job off that is done. @returns whether operators may have it on their lists */
export function endJob(unit: Unit, jobId: string): boolean {
  const isKnown = mayBeKnown(unit, jobId);
  unit.store.jobs.delete(jobId);
  return isKnown;
}

/** Why a job cannot be given up, and what to do instead; null if it can. */
function adviceOf({ kind, isUpgrade, rebuildBase, invalidatedFromSeq }: JobRow): string | null {
  if (kind === "embed") return null;
  if (kind !== "summarize") return ADVICE[kind] ?? NEWER_KIND;
  if (isUpgrade) {
    return "It takes the place of a fallback summary, which would else stay for good. Mend the summarizer and retry it, or pause the tenant's summaries.";
  }
  if (rebuildBase === null && invalidatedFromSeq === null) return null;
  return "It takes something out of the summary that was edited or erased. Mend the summarizer and retry it, or erase the session.";
}

const ADVICE: Readonly<Partial<Record<JobKind, string>>> = {
  archive: "PostgreSQL would never learn of the session. Mend what the error names and retry it, or erase the session.",
  erase: "Something that was erased would stay in PostgreSQL. Mend what the error names and retry it.",
  "erase-copies": "Something that was erased would stay in copies of the session. Retry it.",
  expire: "The session would be kept past its time. Retry it, or set expireAfterIdleSeconds of the session to null.",
  fork: "The copy would never be whole. Retry it, or erase the copy.",
  list: "The list of sessions would filter by metadata that the session does not have any more. Retry it.",
  restore: "The session would lack what it is to begin with. Retry it, or erase the session.",
};
/** Of a later version of this code, whose object this version serves for now. */
const NEWER_KIND = "This version of the service does not know its kind. Deploy the version that does, and retry it.";
