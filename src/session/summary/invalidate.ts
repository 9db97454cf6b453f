import { MIN_USER_SUMMARY_TOKENS } from "../../api/limits.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { Item, KeptItem } from "../../api/summary.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import { itemsTokens, ownSources } from "../../prompt/items.ts";
import { upTo } from "../copies/index.ts";
import { newJob } from "../outbox/index.ts";
import type { Draft, JobRow, SeqSet, SummaryRow } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { summarizeJob } from "./due.ts";

/** Summarizing again, because something that a summary was made from has changed. */

/** Erasures within this share one new summary: people erase in bursts, and each summary may cost money. */
export const REBUILD_DELAY_MS = 5_000;

/** What items cited that no other item cites. */
export function uncovered(
  gone: readonly Pick<Item, "sourceSeqs" | "sourceSession">[],
  left: readonly Item[],
): Set<Seq> {
  const seqs = new Set(gone.flatMap(ownSources));
  for (const item of left) for (const seq of ownSources(item)) seqs.delete(seq);
  return seqs;
}

/** Schedules a new summary for what was changed while the last one was made. */
export function scheduleRebuildFrom(unit: Unit, invalidatedFromSeq: Seq): void {
  const { store, now } = unit;
  if (invalidatedFromSeq > coveredAnywhere(store)) return;
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  store.jobs.put({
    ...newJob("summarize", unit.session.epoch, unit.newId(), throughSeq, now + REBUILD_DELAY_MS, now),
    rebuildBase: store.summaries.versionBefore(invalidatedFromSeq),
  });
}

/** The last message that any version covers, on whichever branch: whatever is changed up to it may be folded into one. */
export function coveredAnywhere({ branches, summaries }: SessionStore): Seq {
  return branches.isSole ? (summaries.newest()?.throughSeq ?? 0) : summaries.coveredSeq();
}

/**
 * Of some messages those that any version covers; null if none does. A message of a branch that was left before it was summarized is in
 * no version, though one of another branch may end with a later message.
 */
export function coveredAmong(unit: Unit, seqs: SeqSet): SeqSet | null {
  const { store } = unit;
  const { branches, summaries } = store;
  const within = upTo(seqs, coveredAnywhere(store));
  if (within === null || branches.isSole || "throughSeq" in within) return within;
  const paths = summaries.lastSeqs().map((lastSeq) => branches.through(lastSeq));
  const covered = within.filter((seq) => paths.some((path) => isOn(path, seq)));
  return covered.length === 0 ? null : covered;
}

/**
 * The version that covers the most of a branch, and rests on nothing that was edited or erased since: what a new summary is pending for
 * may still be folded into the versions that it is to take the place of.
 */
export function soundSummaryAt(unit: Unit, branch: Branch): SummaryRow | null {
  return unit.store.summaries.at(branch, lastSoundVersion(unit));
}

/**
 * Whether a version of the summary, or what is being made of one, may still say what an erased message said: a model may have folded
 * it into items that cite others.
 */
export function mayBeFoldedIn(unit: Unit, seq: Seq): boolean {
  return unit.store.summaries.versionBefore(seq) >= lastSoundVersion(unit);
}

/** The version that a new summary is pending from; larger than any where all are sound. */
export function lastSoundVersion(unit: Unit): number {
  const pending = summarizeJob(unit);
  const rebuildBase = pending?.rebuildBase ?? Number.MAX_SAFE_INTEGER;
  const invalidatedFromSeq = pending?.invalidatedFromSeq ?? null;
  const lastValid =
    invalidatedFromSeq === null ? Number.MAX_SAFE_INTEGER : unit.store.summaries.versionBefore(invalidatedFromSeq);
  return Math.min(rebuildBase, lastValid);
}

/**
 * Schedules a summary from the first message on: every version was made with what was carried here in sight, and a model may have folded
 * it into items that cite messages of this session.
 */
export function rebuildFromStart(unit: Unit): void {
  const { store, now } = unit;
  const covered = store.summaries.newest()?.throughSeq ?? 0;
  const open = summarizeJob(unit);
  if (open === undefined && coveredAnywhere(store) === 0) return;
  const pending = open ?? newJob("summarize", unit.session.epoch, unit.newId(), covered, now + REBUILD_DELAY_MS, now);
  const job = pending.lease === null ? { ...pending, draft: null } : pending;
  store.jobs.put({
    ...job,
    ...revived(job, now),
    throughSeq: Math.max(job.throughSeq, covered),
    isUpgrade: false,
    ...(begunThrough(job) > 0 ? { invalidatedFromSeq: 1 } : { rebuildBase: store.summaries.versionBefore(1) }),
  });
}

/** A draft as if some of its items had never been, in any part of it. */
export function withoutItems(draft: Draft, isGone: (item: KeptItem) => boolean): Draft {
  const keep = (items: readonly KeptItem[]): KeptItem[] => items.filter((item) => !isGone(item));
  const good = draft.good === null ? null : { ...draft.good, items: keep(draft.good.items) };
  return { ...draft, items: keep(draft.items), good };
}

/** Through which message what models made of the log stays good: a change before it makes them read again from there. */
export function goodThrough(unit: Unit): Seq {
  const { store } = unit;
  const newest = store.summaries.newest()?.throughSeq ?? 0;
  const job = summarizeJob(unit);
  if (job === undefined) return newest;
  const sound = lastSoundVersion(unit);
  const tip = store.messages.tip();
  const isUntouched = sound === Number.MAX_SAFE_INTEGER || tip === null;
  const settled = isUntouched ? newest : (store.summaries.at(tip.branch, sound)?.throughSeq ?? 0);
  return Math.max(settled, job.invalidatedFromSeq === null ? begunThrough(job) : 0);
}

/** Says of the newest version how large it is without the items that went. */
export function countAnew({ summaries }: SessionStore): void {
  const newest = summaries.newest();
  if (newest !== null) summaries.setTokens(newest.version, itemsTokens(summaries.items(newest.version)));
}

/** The last message that a summarizer was given of a job; 0 if none. */
export function begunThrough(job: JobRow): Seq {
  return Math.max(job.chunkThroughSeq ?? 0, job.draft?.throughSeq ?? 0);
}

/** A job that was given up is pending again: what was erased may live on in the versions that it is to take the place of. */
export function revived(job: JobRow, now: number): Partial<JobRow> {
  return job.state === "failed" ? { state: "pending", nextSendAt: now + REBUILD_DELAY_MS } : {};
}

/** What models are to be given again because of a change. Changes that share one new summary are counted as one. */
export function tokensReadAgain(unit: Unit, goodBefore: Seq): TokenCount {
  const { messages } = unit.store;
  const good = goodThrough(unit);
  if (good >= goodBefore) return 0;
  const branch = unit.store.branches.active(messages.head()?.seq ?? 0);
  const again = messages.totalCostOn(branch, goodBefore) - messages.totalCostOn(branch, good);
  return Math.max(MIN_USER_SUMMARY_TOKENS, again);
}
