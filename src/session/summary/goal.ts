import type { SummaryGoal } from "../sqlite/index.ts";

/** What a summarize job is to do: how its goal is read, and what changes of it. */

export const CONTINUE: SummaryGoal = { is: "continue" };

/** Whether the job summarizes everything anew, instead of going on from a version. */
export function isFromScratch(goal: SummaryGoal): boolean {
  return goal.is === "from-scratch" || ("isFromScratch" in goal && goal.isFromScratch);
}

/** The last version that the job does not replace; null if it replaces none. */
export function lastKept(goal: SummaryGoal): number | null {
  return "lastKept" in goal ? goal.lastKept : null;
}

/** The goal of the job once it also covers newer messages: then it is no mere upgrade, and no longer called off. */
export function withMore(goal: SummaryGoal): SummaryGoal {
  if (goal.is === "upgrade") return { ...goal, is: "rebuild" };
  return goal.is === "called-off" ? CONTINUE : goal;
}

/** The same goal, but everything is summarized anew. */
export function fromScratch(goal: SummaryGoal): SummaryGoal {
  return "isFromScratch" in goal ? { ...goal, isFromScratch: true } : { is: "from-scratch" };
}

/** The same goal, but all versions after `version` are replaced as well. */
export function rebuilding(goal: SummaryGoal, version: number): SummaryGoal {
  return {
    is: "rebuild",
    lastKept: Math.min(lastKept(goal) ?? version, version),
    isFromScratch: isFromScratch(goal),
  };
}
