import { lastThrough } from "../../prompt/branch.ts";
import { chooseCut } from "../../prompt/cut.ts";
import { ownSources } from "../../prompt/items.ts";
import { callOff, NEVER_FAILED, newJob, scheduleArchive } from "../outbox/index.ts";
import { settingsOf, type SummaryGoal } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { cutMessages, summarizeJob } from "./due.ts";
import { isFromScratch, lastKept } from "./goal.ts";
import { discardWork } from "./in-progress.ts";
import { forgetVersions } from "./run.ts";

/**
 * Schedules a summary of the whole log that replaces every version. All are replaced because an error in one may have
 * been copied into all later ones. The old versions stay until the new one is committed. Idempotent while that job is
 * pending.
 * @returns the id of the job; null if there are no messages to summarize, in which case the versions are deleted at
 *   once
 */
export function scheduleRebuild(unit: Unit): string | null {
  const { store, now } = unit;
  const open = summarizeJob(unit);
  if (open?.state === "pending" && isFromScratch(open.goal) && lastKept(open.goal) === 0) {
    store.jobs.put({ ...open, nextSendAt: Math.min(open.nextSendAt, now) });
    return open.id;
  }
  const tip = store.messages.tip();
  const headSeq = tip?.seq ?? 0;
  const newest = store.summaries.newest();
  const cutAt = (keep: number): number =>
    tip === null ? 0 : chooseCut(cutMessages(store.messages.backwardOn(tip.branch, headSeq, 1, "told")), keep);
  // Limited to the end of the log, because a corrupt version may claim to cover more.
  const given = Math.min(Math.max(newest?.throughSeq ?? 0, open?.throughSeq ?? 0), headSeq);
  const covered = tip === null ? 0 : lastThrough(tip.branch, given);
  const isSummarized =
    newest !== null && store.summaries.items(newest.version).some((item) => ownSources(item).length > 0);
  const throughSeq =
    Math.max(cutAt(settingsOf(unit.session).keepRecentTokens), covered) || cutAt(0) || (isSummarized ? headSeq : 0);
  if (throughSeq === 0) {
    if (open !== undefined) callOff(unit, open);
    if (newest === null || store.branches.isSole) store.summaries.deleteVersionsAfter(newest?.version ?? 0);
    else forgetVersions(unit, newest);
    store.summaries.clearHidden();
    if (unit.session.archiveRev > 0) scheduleArchive(unit, true);
    return null;
  }
  // Usage of failed attempts of the earlier job still counts. It keeps its id and its failures, because operators may
  // have it on their list, from which it is removed when it completes.
  if (open !== undefined) discardWork(unit, open);
  const goal: SummaryGoal = { is: "rebuild", lastKept: 0, isFromScratch: true };
  const job = newJob(unit, { kind: "summarize", goal }, { throughSeq, id: open?.id });
  const { firstError, lastError, firstFailedAt, lastFailedAt } = open ?? NEVER_FAILED;
  store.jobs.put({ ...job, firstError, lastError, firstFailedAt, lastFailedAt });
  return job.id;
}
