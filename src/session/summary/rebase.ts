import { isOn } from "../../prompt/branch.ts";
import { newJob } from "../outbox/index.ts";
import type { JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { endSummary, isMadeAnew, summarizeJob, withoutWork } from "./due.ts";
import { begunThrough } from "./invalidate.ts";
import { scheduleUpgrade } from "./upgrade.ts";

/**
 * Fits the work for the summary to the branch that is active now, and to the version that is the newest now. What is under way for
 * another one comes to nothing.
 * @param isRebased the version that the work went on from is not the newest any more
 */
export function settleSummaryWork(unit: Unit, isRebased: boolean): void {
  const { now } = unit;
  settleWork(unit, isRebased);
  const brought = isRebased ? unit.store.summaries.newest() : null;
  if (brought?.degraded === true && summarizeJob(unit) === undefined) {
    scheduleUpgrade(unit, newJob("summarize", unit.session.epoch, unit.newId(), 0, now, now), null);
  }
}

function settleWork(unit: Unit, isRebased: boolean): void {
  const { store } = unit;
  const open = summarizeJob(unit);
  const tip = store.messages.tip();
  if (open === undefined || tip === null) return;
  const { branch } = tip;
  const isStill = !isRebased && isOn(branch, begunThrough(open)) && isOn(branch, open.draft?.throughSeq ?? 0);
  const job = isStill ? open : { ...withoutWork(open), nextSendAt: unit.now };
  const newest = store.summaries.newest();
  const covered = newest?.throughSeq ?? 0;
  const throughSeq = isOn(branch, job.throughSeq) ? job.throughSeq : Math.max(begunThrough(job), covered);
  if (open.isUpgrade && newest?.degraded === true) {
    const rebuildBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put(isRebased ? { ...job, throughSeq: covered, rebuildBase } : { ...job, throughSeq });
    return;
  }
  const left: JobRow = open.isUpgrade ? { ...job, isUpgrade: false, rebuildBase: null, fromScratch: false } : job;
  const isOver = !isMadeAnew(left) && throughSeq <= covered;
  if (isOver && newest?.degraded === true) {
    // There is nothing more to cover, and what covers it is to be made better: under the name by which operators may know the job.
    const rebuildBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put({ ...left, throughSeq: covered, isUpgrade: true, rebuildBase });
    return;
  }
  if (isOver) endSummary(unit, left);
  else store.jobs.put({ ...left, throughSeq });
}
