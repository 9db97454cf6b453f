import { upgradeDelayMs } from "../../lib/retry-policy.ts";
import { type Failed, type FailureReport, NEVER_FAILED, newJob } from "../outbox/index.ts";
import { type Draft, NOTHING_IN_PROGRESS, type Replacement, type SummarizeJob } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { isFromScratch, lastKept } from "./goal.ts";

/** The job that will replace a fallback summary, and the failures that made the fallback summary necessary. */
export interface Upgrade extends Omit<FailureReport, "gaveUp"> {
  readonly jobId: string;
  readonly reason: string;
}

/** A summarize job that made a fallback summary. */
export interface FellBack {
  readonly job: SummarizeJob;
  readonly draft: Draft;
  /** Why its last chunk was a fallback; null if only an earlier chunk was. */
  readonly cause: Failed | null;
}

/**
 * Schedules a job that replaces a degraded summary, continuing from the last version that is not degraded.
 * @param fellBack null if the fallback summary was made long ago
 * @returns null if there is no summary to replace
 */
export function scheduleUpgrade(unit: Unit, fellBack: FellBack | null): Upgrade | null {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  if (newest === null) return null;
  const { failures, firstError, lastError, firstFailedAt, lastFailedAt } = fellBack?.job ?? NEVER_FAILED;
  const goal: Replacement = {
    is: "upgrade",
    lastKept: store.summaries.lastGoodVersion(newest.version),
    isFromScratch: fellBack !== null && isFromScratch(fellBack.job.goal),
  };
  const delayMs = Math.max(upgradeDelayMs(0, 0.5), (fellBack?.cause?.retryAfterSeconds ?? 0) * 1000);
  const about = { throughSeq: newest.throughSeq, nextSendAt: now + delayMs };
  const job = newJob(unit, { kind: "summarize", goal }, about);
  store.jobs.put({ ...job, firstError, lastError, firstFailedAt, lastFailedAt });
  const draft = fellBack === null ? null : goodDraft(fellBack, goal.lastKept, newest.version);
  if (draft !== null) store.jobs.putInProgress(job.id, { ...NOTHING_IN_PROGRESS, draft });
  return {
    jobId: job.id,
    reason: lastError ?? "summarizer",
    firstError: firstError ?? lastError ?? "summarizer",
    failures: failures + 1,
    firstFailedAt: firstFailedAt ?? now,
    lastFailedAt: lastFailedAt ?? now,
  };
}

/**
 * The part of the draft that the requested summarizer made before the fallback took over: it is paid for, so the new
 * job continues from there. Null if there is none, or if the new job starts from another version.
 */
function goodDraft({ job: { goal }, draft }: FellBack, startVersion: number, baseVersion: number): Draft | null {
  if (draft.good === null) return null;
  const isSameStart = isFromScratch(goal) || (lastKept(goal) ?? draft.baseVersion) === startVersion;
  return isSameStart ? { ...draft.good, baseVersion, degraded: false, good: null } : null;
}
