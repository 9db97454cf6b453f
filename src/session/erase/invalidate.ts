import type { Seq } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import { isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { newJob } from "../outbox/index.ts";
import { containsSeq, lowestBetween, lowestOf, type SeqSet, type SummarizeJob, upTo } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import {
  begunThrough,
  CONTINUE,
  countAnew,
  coveredAmong,
  coveredAnywhere,
  REBUILD_DELAY_MS,
  rebuilding,
  revived,
  summarizeJob,
  uncovered,
  withMore,
  withoutItems,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/** What an edit or an erasure of messages changes in the summary and in its job. */

/**
 * Removes from all versions of the summary, and from a draft, the items that cite these messages, and schedules a
 * rebuild from the version before the first of them: a model may have put their content into items that cite other
 * messages.
 * @param textChanged those of the messages for which a summarizer would now receive another text. If there are none, and
 * no item cites any of the messages, no rebuild is scheduled: it would be paid for and say the same
 * @returns whether the newest version covers any of the messages
 */
export function invalidate(unit: Unit, seqs: SeqSet, textChanged: SeqSet): boolean {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  const job = summarizeJob(unit);
  const coveredSeq = coveredAnywhere(store);
  const among = upTo(seqs, coveredSeq);
  let changed = textChanged;
  if (newest !== null && among !== null) {
    const gone = store.summaries.deleteItemsCiting(among);
    store.summaries.hide(uncovered(gone, store.summaries.items(newest.version)));
    if (gone.length > 0) {
      changed = seqs;
      countAnew(store);
    }
  }
  const covered = coveredAmong(unit, changed);
  if (job !== undefined) invalidateJob(unit, job, changed);
  else if (newest !== null && covered !== null) {
    const goal = rebuilding(CONTINUE, store.summaries.versionBefore(lowestOf(covered)));
    const about = { throughSeq: newest.throughSeq, nextSendAt: now + REBUILD_DELAY_MS };
    store.jobs.put(newJob(unit, { kind: "summarize", goal }, about));
  }
  return covered !== null;
}

/** Whether a version of the summary covers a message, or a pending job has already given it to a summarizer. */
export function wasGivenToSummarizer(unit: Unit, seq: Seq): boolean {
  if (coveredAmong(unit, [seq]) !== null) return true;
  const { jobs, branches } = unit.store;
  const job = summarizeJob(unit);
  if (job === undefined || seq > begunThrough(job, jobs.inProgress(job.id))) return false;
  return isOn(branches.through(job.throughSeq), seq);
}

/**
 * Selects the messages that concern a job: those on the branch that it summarizes, and those that a version covers. No
 * summarizer of this job receives any other.
 */
function concerningJob(unit: Unit, job: SummarizeJob, seqs: SeqSet): SeqSet {
  const { store } = unit;
  if (store.branches.isSole || "throughSeq" in seqs) return seqs;
  const branch = store.branches.through(job.throughSeq);
  const covered = containsSeq(coveredAmong(unit, seqs) ?? []);
  return seqs.filter((seq) => isOn(branch, seq) || covered(seq));
}

/** Splits messages into those on the branch that ends with `headSeq` and the others. */
function splitByBranch({ branches }: SessionStore, headSeq: Seq, seqs: SeqSet): { on: SeqSet; off: SeqSet } {
  if (branches.isSole || "throughSeq" in seqs) return { on: seqs, off: [] };
  const branch = branches.through(headSeq);
  return { on: seqs.filter((seq) => isOn(branch, seq)), off: seqs.filter((seq) => !isOn(branch, seq)) };
}

/**
 * Adjusts a pending summary job to changed messages. If a summarizer is working on it, the job notes from which message
 * its answer is invalid; otherwise it drops its draft. If versions cover changed messages, it is to rebuild from a
 * version before them.
 */
function invalidateJob(unit: Unit, open: SummarizeJob, given: SeqSet): void {
  const { store, now } = unit;
  const seqs = concerningJob(unit, open, given);
  const covered = store.summaries.newest()?.throughSeq ?? 0;
  // Changed messages on another branch were not given to this job's summarizer, but may have been to those of the
  // versions that it replaces.
  const { on, off } = splitByBranch(store, open.throughSeq, seqs);
  const before = store.jobs.inProgress(open.id);
  // No summarizer is working (no lease), so the draft costs nothing more to drop: it rests on changed messages and
  // would have to be made again anyway.
  const isDropped = open.lease === null && lowestBetween(on, 0, begunThrough(open, before)) !== null;
  let inProgress = isDropped ? { ...before, draft: null } : before;
  const begun = begunThrough(open, inProgress);
  const firstGiven = lowestBetween(on, 0, begun);
  const coveredSeq = coveredAnywhere(store);
  const behind = [lowestBetween(on, begun, coveredSeq), lowestBetween(off, 0, coveredSeq)].filter(
    (seq) => seq !== null,
  );
  let job = open;
  if (firstGiven !== null) {
    job = { ...job, goal: withMore(job.goal) };
    const { draft } = inProgress;
    const invalidatedFromSeq = Math.min(inProgress.invalidatedFromSeq ?? firstGiven, firstGiven);
    inProgress = { ...inProgress, invalidatedFromSeq };
    if (draft !== null) {
      const isErased = containsSeq(seqs);
      const isGone = (item: Item): boolean => ownSources(item).some((seq) => seq <= begun && isErased(seq));
      const left = withoutItems(draft, isGone);
      store.summaries.hide(uncovered(draft.items.filter(isGone), left.items));
      inProgress = { ...inProgress, draft: left };
      job = { ...job, ...revived(job, now) };
    }
  }
  if (behind.length > 0) {
    job = {
      ...job,
      ...revived(job, now),
      throughSeq: Math.max(job.throughSeq, covered),
      goal: rebuilding(job.goal, store.summaries.versionBefore(Math.min(...behind))),
    };
  }
  if (job !== open) store.jobs.put(job);
  if (inProgress !== before) store.jobs.putInProgress(job.id, inProgress);
}
