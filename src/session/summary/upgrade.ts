import { upgradeDelayMs } from "../../lib/retry-policy.ts";
import { type Failed, type FailureReport, newJob } from "../outbox/index.ts";
import type { Draft, JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/** The job that will replace a fallback summary, and the failures that made the fallback summary necessary. */
export interface Upgrade extends Omit<FailureReport, "gaveUp"> {
  readonly jobId: string;
  readonly reason: string;
}

/**
 * Schedules a job that replaces a degraded summary, continuing from the last version that is not degraded.
 * @param failed the job that made the fallback summary
 * @param fallbackCause why its last chunk was a fallback; null if only an earlier chunk was
 * @returns null if there is no summary to replace
 */
export function scheduleUpgrade(unit: Unit, failed: JobRow, fallbackCause: Failed | null): Upgrade | null {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  if (newest === null) return null;
  const { failures, firstError, lastError, firstFailedAt, lastFailedAt, fromScratch } = failed;
  const jobId = unit.newId();
  const delayMs = Math.max(upgradeDelayMs(0, 0.5), (fallbackCause?.retryAfterSeconds ?? 0) * 1000);
  const rebuildBase = store.summaries.lastGoodVersion(newest.version);
  store.jobs.put({
    ...newJob("summarize", unit.session.epoch, jobId, newest.throughSeq, now + delayMs, now),
    fromScratch,
    rebuildBase,
    draft: goodDraft(failed, rebuildBase, newest.version),
    isUpgrade: true,
    firstError,
    lastError,
    firstFailedAt,
    lastFailedAt,
  });
  return {
    jobId,
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
function goodDraft(
  { draft, rebuildBase, fromScratch }: JobRow,
  startVersion: number,
  baseVersion: number,
): Draft | null {
  if (draft === null || draft.good === null) return null;
  const isSameStart = fromScratch || (rebuildBase ?? draft.baseVersion) === startVersion;
  return isSameStart ? { ...draft.good, baseVersion, degraded: false, good: null } : null;
}
