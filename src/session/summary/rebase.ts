import { isOn } from "../../prompt/branch.ts";
import { newJob } from "../outbox/index.ts";
import type { JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { endSummary, isMadeAnew, summarizeJob, withoutWork } from "./due.ts";
import { begunThrough } from "./invalidate.ts";
import { scheduleUpgrade } from "./upgrade.ts";

/**
 * Adapts the summarize job after the active branch or the newest version changed. A draft of another branch, or one
 * that continued from a version that is no longer the newest, is discarded. If the newest version is now a degraded
 * one, a job to replace it is scheduled.
 * @param isRebased whether the newest version changed
 */
export function settleSummaryWork(unit: Unit, isRebased: boolean): void {
  const { now } = unit;
  adaptJob(unit, isRebased);
  const newVersion = isRebased ? unit.store.summaries.newest() : null;
  if (newVersion?.degraded === true && summarizeJob(unit) === undefined) {
    scheduleUpgrade(unit, newJob("summarize", unit.session.epoch, unit.newId(), 0, now, now), null);
  }
}

function adaptJob(unit: Unit, isRebased: boolean): void {
  const { store } = unit;
  const open = summarizeJob(unit);
  const tip = store.messages.tip();
  if (open === undefined || tip === null) return;
  const { branch } = tip;
  const isDraftValid = !isRebased && isOn(branch, begunThrough(open)) && isOn(branch, open.draft?.throughSeq ?? 0);
  const job = isDraftValid ? open : { ...withoutWork(open), nextSendAt: unit.now };
  const newest = store.summaries.newest();
  const covered = newest?.throughSeq ?? 0;
  const throughSeq = isOn(branch, job.throughSeq) ? job.throughSeq : Math.max(begunThrough(job), covered);
  if (open.isUpgrade && newest?.degraded === true) {
    const rebuildBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put(isRebased ? { ...job, throughSeq: covered, rebuildBase } : { ...job, throughSeq });
    return;
  }
  const remaining: JobRow = open.isUpgrade ? { ...job, isUpgrade: false, rebuildBase: null, fromScratch: false } : job;
  const isOver = !isMadeAnew(remaining) && throughSeq <= covered;
  if (isOver && newest?.degraded === true) {
    // Nothing more is to be covered, but the newest version is degraded. The job becomes its upgrade, and keeps the id
    // under which operators may have it on their list.
    const rebuildBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put({ ...remaining, throughSeq: covered, isUpgrade: true, rebuildBase });
    return;
  }
  if (isOver) endSummary(unit, remaining);
  else store.jobs.put({ ...remaining, throughSeq });
}
