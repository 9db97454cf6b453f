/** What an operator can have done to one session. The decisions are those that appends and the alarm make as well. */

import { expiryAt, newJob } from "../outbox/index.ts";
import { isDue, scheduleRebuild, scheduleSummaryByHand, summarizeJob } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/**
 * - `summarize`: summarize whatever is not summarized yet
 * - `catch-up`: the same, but only if a summary is due by the session's settings, or if one failed
 * - `rebuild`: make a summary of the whole log, in place of all versions
 * - `expire`: expire the session if that is due by its current settings
 */
export type MaintenanceTask = "summarize" | "catch-up" | "rebuild" | "expire";

/** `scheduled`: a job does it in the background; `nothing`: there is nothing to do. */
export type MaintenanceResult = "scheduled" | "nothing";

export function maintain(unit: Unit, task: MaintenanceTask): MaintenanceResult {
  switch (task) {
    case "summarize":
      return resultOf(scheduleSummaryByHand(unit, {}) !== null);
    case "catch-up":
      if (!lags(unit)) return "nothing";
      return resultOf(scheduleSummaryByHand(unit, {}) !== null);
    case "rebuild":
      return resultOf(scheduleRebuild(unit) !== null);
    case "expire":
      return resultOf(scheduleExpiryIfDue(unit));
  }
}

/** Whether a summary is due by the settings, or the pending job failed or only upgrades a fallback summary. */
function lags(unit: Unit): boolean {
  const open = summarizeJob(unit);
  if (open !== undefined && (open.failures > 0 || open.goal.is === "upgrade")) return true;
  return isDue(unit);
}

function scheduleExpiryIfDue(unit: Unit): boolean {
  const { store, now } = unit;
  const at = expiryAt(unit);
  if (at === null || at > now) return false;
  if (!store.jobs.isPending("expire")) store.jobs.put(newJob(unit, { kind: "expire" }));
  return true;
}

function resultOf(isPending: boolean): MaintenanceResult {
  return isPending ? "scheduled" : "nothing";
}

/**
 * Rebuilds the search index, one part with each call.
 * @param isFirst whether to drop the old index first
 * @returns `done: false` if there is more to do; null if there is no index, because the session was never searched
 */
export function reindex(
  { search, store }: Unit,
  { isFirst, isDryRun }: { readonly isFirst: boolean; readonly isDryRun: boolean },
): { done: boolean } | null {
  if (isFirst && search.indexedThroughSeq === 0) return null;
  if (isDryRun) return { done: true };
  if (isFirst) search.drop();
  if (store.erasure.isRunning()) return { done: false };
  return { done: search.catchUp().done };
}
