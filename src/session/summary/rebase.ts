import { isOn } from "../../prompt/branch.ts";
import { callOff } from "../outbox/index.ts";
import type { SummarizeJob } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { summarizeJob } from "./due.ts";
import { CONTINUE } from "./goal.ts";
import { begunThrough, discardWork, isOver } from "./in-progress.ts";
import { scheduleUpgrade } from "./upgrade.ts";

/**
 * Adapts the summarize job after the active branch or the newest version changed. A draft of another branch, or one
 * that continued from a version that is no longer the newest, is discarded. If the newest version is now a degraded
 * one, a job to replace it is scheduled.
 * @param isRebased whether the newest version changed
 */
export function settleSummaryWork(unit: Unit, isRebased: boolean): void {
  adaptJob(unit, isRebased);
  const newVersion = isRebased ? unit.store.summaries.newest() : null;
  if (newVersion?.degraded === true && summarizeJob(unit) === undefined) scheduleUpgrade(unit, null);
}

function adaptJob(unit: Unit, isRebased: boolean): void {
  const { store } = unit;
  const open = summarizeJob(unit);
  const tip = store.messages.tip();
  if (open === undefined || tip === null) return;
  const { branch } = tip;
  const before = store.jobs.inProgress(open.id);
  const begunSeqs = [begunThrough(open, before), before.draft?.throughSeq ?? 0];
  const isDraftValid = !isRebased && begunSeqs.every((seq) => isOn(branch, seq));
  const job = isDraftValid ? open : { ...discardWork(unit, open), nextSendAt: unit.now };
  const newest = store.summaries.newest();
  const covered = newest?.throughSeq ?? 0;
  const begunSeq = isDraftValid ? begunThrough(open, before) : 0;
  const throughSeq = isOn(branch, job.throughSeq) ? job.throughSeq : Math.max(begunSeq, covered);
  const asUpgrade = (isFromScratch: boolean): Pick<SummarizeJob, "throughSeq" | "goal"> => ({
    throughSeq: covered,
    goal: { is: "upgrade", lastKept: store.summaries.lastGoodVersion(newest?.version ?? 0), isFromScratch },
  });
  if (job.goal.is === "upgrade" && newest?.degraded === true) {
    store.jobs.put({ ...job, ...(isRebased ? asUpgrade(job.goal.isFromScratch) : { throughSeq }) });
    return;
  }
  const remaining: SummarizeJob = { ...job, throughSeq, goal: job.goal.is === "upgrade" ? CONTINUE : job.goal };
  if (!isOver(unit, remaining, store.jobs.inProgress(job.id))) store.jobs.put(remaining);
  // Nothing more is to be covered, but the newest version is degraded. The job becomes its upgrade, and keeps the id
  // under which operators may have it on their list.
  else if (newest?.degraded === true) store.jobs.put({ ...remaining, ...asUpgrade(false) });
  else callOff(unit, remaining);
}
