/** What operators have done to a session that nobody talks in at the moment: the same decisions as its appends and its alarm make. */

import { expiryAt } from "./idling.ts";
import { isDue, oweSummaryByHand, summarizeJob } from "./owed-summaries.ts";
import { newJob } from "./owed-work.ts";
import { oweRebuild } from "./rebuilding.ts";
import type { SessionRow } from "./rows.ts";
import type { SessionStore } from "./store.ts";

/**
 * - `summarize`: whatever there is to summarize; - `catch-up`: the same where a summary is due by the session's settings, or one failed;
 * - `rebuild`: a summary from the whole log, in the place of every version; - `expire`: if it is due by the settings of now
 */
export type MaintenanceTask = "summarize" | "catch-up" | "rebuild" | "expire";

/** `owed`: it is done in the background; `nothing`: there is nothing to do. */
export type MaintenanceResult = "owed" | "nothing";

export function maintain(
  store: SessionStore,
  session: SessionRow,
  task: MaintenanceTask,
  newJobId: () => string,
  now: number,
): MaintenanceResult {
  switch (task) {
    case "summarize":
      return resultOf(oweSummaryByHand(store, session, {}, newJobId, now) !== null);
    case "catch-up":
      if (!lags(store, session)) return "nothing";
      return resultOf(oweSummaryByHand(store, session, {}, newJobId, now) !== null);
    case "rebuild":
      return resultOf(oweRebuild(store, session, newJobId, now) !== null);
    case "expire":
      return resultOf(oweExpiryIfDue(store, session, newJobId, now));
  }
}

/** More was said since the last summary than the settings allow, or the summary that was owed failed. */
function lags(store: SessionStore, session: SessionRow): boolean {
  const open = summarizeJob(store);
  if (open !== undefined && (open.failures > 0 || open.isUpgrade)) return true;
  return isDue(store, session);
}

function oweExpiryIfDue(store: SessionStore, session: SessionRow, newJobId: () => string, now: number): boolean {
  const at = expiryAt(store, session);
  if (at === null || at > now) return false;
  if (!store.jobs.isOwed("expire")) store.jobs.put(newJob("expire", session.incarnation, newJobId(), 0, now, now));
  return true;
}

function resultOf(isOwed: boolean): MaintenanceResult {
  return isOwed ? "owed" : "nothing";
}
