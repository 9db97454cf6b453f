import type { Seq } from "../../api/message.ts";
import { released } from "../outbox/index.ts";
import { NOTHING_IN_PROGRESS, type SummarizeJob, type SummaryInProgress } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { lastKept, rebuilding } from "./goal.ts";

/** What a summarize job has in progress: how far it is, and what becomes of it if it is no longer valid. */

/** The last message that a summarizer was given for this job, saved or not; 0 if none was. */
export function begunThrough({ lease }: SummarizeJob, { chunk, draft }: SummaryInProgress): Seq {
  return Math.max(lease === null ? 0 : (chunk?.throughSeq ?? 0), draft?.throughSeq ?? 0);
}

/**
 * Whether the job has nothing left to do: it was called off, or the newest version, perhaps of another branch, covers all
 * of it already.
 */
export function isOver(unit: Unit, { goal, throughSeq }: SummarizeJob, inProgress: SummaryInProgress): boolean {
  if (goal.is !== "continue") return goal.is === "called-off";
  return inProgress.invalidatedFromSeq === null && throughSeq <= (unit.store.summaries.newest()?.throughSeq ?? 0);
}

/**
 * Takes the job from its consumer and discards its draft, so that it starts from its first message. What was spent on it
 * still counts.
 * @returns the job, which the caller has to write
 */
export function discardWork(unit: Unit, job: SummarizeJob): SummarizeJob {
  const { jobs, summaries } = unit.store;
  const { invalidatedFromSeq, usage } = jobs.inProgress(job.id);
  if (usage === null) jobs.deleteInProgress(job.id);
  else jobs.putInProgress(job.id, { ...NOTHING_IN_PROGRESS, usage });
  if (invalidatedFromSeq === null) return released(job);
  const settled = withoutInvalidated(unit, released(job), invalidatedFromSeq);
  // If no version is to be replaced, messages were hidden for the discarded draft alone.
  if (lastKept(settled.goal) === null) summaries.clearHidden();
  return settled;
}

/**
 * The job if its summarizer reads the message `invalidatedFromSeq` and all after it once more. If versions cover that
 * message, the job becomes a rebuild from the version before them.
 */
export function withoutInvalidated(unit: Unit, job: SummarizeJob, invalidatedFromSeq: Seq): SummarizeJob {
  const { store } = unit;
  if (invalidatedFromSeq > coveredAnywhere(store)) return job;
  return {
    ...job,
    goal: rebuilding(job.goal, store.summaries.versionBefore(invalidatedFromSeq)),
    throughSeq: Math.max(job.throughSeq, coveredSeq(unit)),
  };
}

/**
 * The last message that any version covers, on whichever branch. A change to any message up to it may affect a version.
 */
export function coveredAnywhere({ branches, summaries }: SessionStore): Seq {
  return branches.isSole ? (summaries.newest()?.throughSeq ?? 0) : summaries.coveredSeq();
}

/**
 * The last message that the newest version covers. It is limited to the end of the log, because a corrupt version may
 * claim more.
 */
export function coveredSeq({ store }: Unit): Seq {
  return Math.min(store.summaries.newest()?.throughSeq ?? 0, store.messages.head()?.seq ?? 0);
}
