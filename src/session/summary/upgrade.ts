import { upgradeDelayMs } from "../../lib/retry-policy.ts";
import { type Failed, type FailureReport, newJob } from "../outbox/index.ts";
import type { Draft, JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/** A better summary that is owed, and what it did not come from. */
export interface Upgrade extends Omit<FailureReport, "gaveUp"> {
  readonly jobId: string;
  readonly reason: string;
}

/**
 * Owes a summary in the place of a degraded one, from the last good version on.
 * @param failed the job whose makeshift it is
 * @param shortfall of its last chunk; null if only an earlier one is a makeshift
 */
export function oweUpgrade(unit: Unit, failed: JobRow, shortfall: Failed | null): Upgrade | null {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  if (newest === null) return null;
  const { failures, firstError, lastError, firstFailedAt, lastFailedAt, fromScratch } = failed;
  const jobId = unit.newId();
  const delayMs = Math.max(upgradeDelayMs(0, 0.5), (shortfall?.retryAfterSeconds ?? 0) * 1000);
  const redoBase = store.summaries.lastGoodVersion(newest.version);
  store.jobs.put({
    ...newJob("summarize", unit.session.incarnation, jobId, newest.throughSeq, now + delayMs, now),
    fromScratch,
    redoBase,
    draft: goodDraft(failed, redoBase, newest.version),
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

/** What the summarizer said before a makeshift had to serve is paid for: the better summary goes on from there. */
function goodDraft({ draft, redoBase, fromScratch }: JobRow, startVersion: number, baseVersion: number): Draft | null {
  if (draft === null || draft.good === null) return null;
  const isSameStart = fromScratch || (redoBase ?? draft.baseVersion) === startVersion;
  return isSameStart ? { ...draft.good, baseVersion, degraded: false, good: null } : null;
}
