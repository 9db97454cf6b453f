/** What operators have done to a session that nobody talks in at the moment: the same decisions as its appends and its alarm make. */

import { expiryAt, newJob } from "../outbox/index.ts";
import { isDue, scheduleRebuild, scheduleSummaryByHand, summarizeJob } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/**
 * - `summarize`: whatever there is to summarize; - `catch-up`: the same where a summary is due by the session's settings, or one failed;
 * - `rebuild`: a summary from the whole log, in the place of every version; - `expire`: if it is due by the settings of now
 */
export type MaintenanceTask = "summarize" | "catch-up" | "rebuild" | "expire";

/** `scheduled`: it is done in the background; `nothing`: there is nothing to do. */
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

/** More was said since the last summary than the settings allow, or the summary that was pending failed. */
function lags(unit: Unit): boolean {
  const open = summarizeJob(unit);
  if (open !== undefined && (open.failures > 0 || open.isUpgrade)) return true;
  return isDue(unit);
}

function scheduleExpiryIfDue(unit: Unit): boolean {
  const { store, now } = unit;
  const at = expiryAt(unit);
  if (at === null || at > now) return false;
  if (!store.jobs.isPending("expire")) store.jobs.put(newJob("expire", unit.session.epoch, unit.newId(), 0, now, now));
  return true;
}

function resultOf(isPending: boolean): MaintenanceResult {
  return isPending ? "scheduled" : "nothing";
}

/**
 * Makes the index of a session anew, a slice at a call.
 * @param isFirst drops what there is
 * @returns whether there is more to do; null: there is no index
 */
export function reindex(
  { search, store }: Unit,
  { isFirst, isDryRun }: { readonly isFirst: boolean; readonly isDryRun: boolean },
): { done: boolean } | null {
  if (isFirst && search.indexedThroughSeq === 0) return null;
  if (isDryRun) return { done: true };
  if (isFirst) search.drop();
  if (store.messages.isErasing()) return { done: false };
  return { done: search.catchUp().done };
}
