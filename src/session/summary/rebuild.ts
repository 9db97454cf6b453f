import { lastThrough } from "../../prompt/branch.ts";
import { chooseCut } from "../../prompt/cut.ts";
import { ownSources } from "../../prompt/items.ts";
import { newJob, scheduleArchive } from "../outbox/index.ts";
import { settingsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { cutMessages, endSummary, summarizeJob } from "./due.ts";
import { forgetVersions } from "./run.ts";

/**
 * Schedules a summary of the whole log in the place of every version there is: what is wrong in one of them may have been made use of in
 * all that followed. Until it lands they stay. Repeated while it is pending, nothing is added to that.
 * @returns the id of the job; null if there is nothing to summarize: what then rests on no version goes at once
 */
export function scheduleRebuild(unit: Unit): string | null {
  const { store, now } = unit;
  const open = summarizeJob(unit);
  if (open?.state === "pending" && open.fromScratch && open.rebuildBase === 0) {
    store.jobs.put({ ...open, nextSendAt: Math.min(open.nextSendAt, now) });
    return open.id;
  }
  const tip = store.messages.tip();
  const headSeq = tip?.seq ?? 0;
  const newest = store.summaries.newest();
  const cutAt = (keep: number): number =>
    tip === null ? 0 : chooseCut(cutMessages(store.messages.backwardOn(tip.branch, headSeq, 1, "told")), keep);
  // A version may say that it covers more than there is.
  const given = Math.min(Math.max(newest?.throughSeq ?? 0, open?.throughSeq ?? 0), headSeq);
  const covered = tip === null ? 0 : lastThrough(tip.branch, given);
  const isSummarized =
    newest !== null && store.summaries.items(newest.version).some((item) => ownSources(item).length > 0);
  const throughSeq =
    Math.max(cutAt(settingsOf(unit.session).keepRecentTokens), covered) || cutAt(0) || (isSummarized ? headSeq : 0);
  if (throughSeq === 0) {
    if (open !== undefined) endSummary(unit, open);
    if (newest === null || store.branches.isSole) store.summaries.deleteVersionsAfter(newest?.version ?? 0);
    else forgetVersions(unit, newest);
    store.summaries.clearHidden();
    if (unit.session.archiveRev > 0) scheduleArchive(unit, true);
    return null;
  }
  const fresh = newJob("summarize", unit.session.epoch, open?.id ?? unit.newId(), throughSeq, now, now);
  // What was spent in vain on the one before counts still; and where it failed operators know this one by its name, and hear when it is done.
  const { usage = null, firstError = null, lastError = null, firstFailedAt = null, lastFailedAt = null } = open ?? {};
  const before = { usage, firstError, lastError, firstFailedAt, lastFailedAt };
  store.jobs.put({ ...fresh, ...before, fromScratch: true, rebuildBase: 0 });
  return fresh.id;
}
