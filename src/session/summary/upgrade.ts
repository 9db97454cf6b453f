import { upgradeDelayMs } from "../../lib/retry-policy.ts";
import { type Failed, type FailureReport, newJob } from "../outbox/index.ts";
import type { Draft, JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/** A better summary that is pending, and what it did not come from. */
export interface Upgrade extends Omit<FailureReport, "gaveUp"> {
  readonly jobId: string;
  readonly reason: string;
}

/**
 * Schedules a summary in the place of a degraded one, from the last good version on.
 * @param failed the job whose fallback summary it is
 * @param fallbackCause of its last chunk; null if only an earlier one is a fallback summary
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

/** What the summarizer said before a fallback summary had to serve is paid for: the better summary goes on from there. */
function goodDraft(
  { draft, rebuildBase, fromScratch }: JobRow,
  startVersion: number,
  baseVersion: number,
): Draft | null {
  if (draft === null || draft.good === null) return null;
  const isSameStart = fromScratch || (rebuildBase ?? draft.baseVersion) === startVersion;
  return isSameStart ? { ...draft.good, baseVersion, degraded: false, good: null } : null;
}
