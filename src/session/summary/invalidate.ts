import { MIN_USER_SUMMARY_TOKENS } from "../../api/limits.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { Item, KeptItem } from "../../api/summary.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import { itemsTokens, ownSources } from "../../prompt/items.ts";
import { newJob } from "../outbox/index.ts";
import { type Draft, type SeqSet, type SummarizeJob, type SummaryRow, upTo } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { summarizeJob } from "./due.ts";
import { CONTINUE, lastKept, rebuilding, withMore } from "./goal.ts";
import { begunThrough, coveredAnywhere } from "./in-progress.ts";

/**
 * What happens to summaries when a message that they were made from is edited or erased: versions are invalidated, and
 * a rebuild is scheduled.
 */

/**
 * How long a rebuild waits after a change, so that changes in quick succession share one rebuild: people erase in
 * bursts, and each summary may cost money.
 */
export const REBUILD_DELAY_MS = 5_000;

/** The messages that only the items in `gone` cite, and none of those in `left`. */
export function uncovered(
  gone: readonly Pick<Item, "sourceSeqs" | "sourceSession">[],
  left: readonly Item[],
): Set<Seq> {
  const seqs = new Set(gone.flatMap(ownSources));
  for (const item of left) for (const seq of ownSources(item)) seqs.delete(seq);
  return seqs;
}

/**
 * Schedules a rebuild because the message `invalidatedFromSeq`, or one after it, was changed while the last version was
 * being made.
 */
export function scheduleRebuildFrom(unit: Unit, invalidatedFromSeq: Seq): void {
  const { store, now } = unit;
  if (invalidatedFromSeq > coveredAnywhere(store)) return;
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  const goal = rebuilding(CONTINUE, store.summaries.versionBefore(invalidatedFromSeq));
  store.jobs.put(newJob(unit, { kind: "summarize", goal }, { throughSeq, nextSendAt: now + REBUILD_DELAY_MS }));
}

/**
 * Those of `seqs` that any version covers; null if none does. With several branches this cannot be told from the seq
 * alone: a version of one branch may end with a later message than one of another branch that was never summarized.
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
 * The version that covers the most of a branch, among those that contain nothing that was edited or erased since. While
 * a rebuild is pending, the versions that it replaces may still contain that.
 */
export function soundSummaryAt(unit: Unit, branch: Branch): SummaryRow | null {
  return unit.store.summaries.at(branch, lastSoundVersion(unit));
}

/**
 * Whether a version, or a draft, may still contain what the erased message `seq` said: a model may have merged it into
 * items that cite other messages. True until the rebuild is committed.
 */
export function mayBeFoldedIn(unit: Unit, seq: Seq): boolean {
  return unit.store.summaries.versionBefore(seq) >= lastSoundVersion(unit);
}

/**
 * The last version that no pending rebuild replaces; `Number.MAX_SAFE_INTEGER` if no rebuild is pending, and every
 * version is sound.
 */
export function lastSoundVersion(unit: Unit): number {
  const pending = summarizeJob(unit);
  if (pending === undefined) return Number.MAX_SAFE_INTEGER;
  const { jobs, summaries } = unit.store;
  const { invalidatedFromSeq } = jobs.inProgress(pending.id);
  const lastValid = invalidatedFromSeq === null ? Number.MAX_SAFE_INTEGER : summaries.versionBefore(invalidatedFromSeq);
  return Math.min(lastKept(pending.goal) ?? Number.MAX_SAFE_INTEGER, lastValid);
}

/**
 * Schedules a rebuild from the first message, because carried items were removed. Every version was made while a model
 * saw them, so it may have merged them into items that cite messages of this session.
 */
export function rebuildFromStart(unit: Unit): void {
  const { store, now } = unit;
  const covered = store.summaries.newest()?.throughSeq ?? 0;
  const open = summarizeJob(unit);
  if (open === undefined && coveredAnywhere(store) === 0) return;
  const nextSendAt = now + REBUILD_DELAY_MS;
  const job = open ?? newJob(unit, { kind: "summarize", goal: CONTINUE }, { throughSeq: covered, nextSendAt });
  const before = store.jobs.inProgress(job.id);
  const inProgress = job.lease === null ? { ...before, draft: null } : before;
  const isBegun = begunThrough(job, inProgress) > 0;
  store.jobs.put({
    ...job,
    ...revived(job, now),
    throughSeq: Math.max(job.throughSeq, covered),
    goal: isBegun ? withMore(job.goal) : rebuilding(job.goal, store.summaries.versionBefore(1)),
  });
  if (isBegun) store.jobs.putInProgress(job.id, { ...inProgress, invalidatedFromSeq: 1 });
  else if (before.draft !== null) store.jobs.putInProgress(job.id, inProgress);
}

/** The draft without some of its items, including those of its `good` part. */
export function withoutItems(draft: Draft, isGone: (item: KeptItem) => boolean): Draft {
  const keep = (items: readonly KeptItem[]): KeptItem[] => items.filter((item) => !isGone(item));
  const good = draft.good === null ? null : { ...draft.good, items: keep(draft.good.items) };
  return { ...draft, items: keep(draft.items), good };
}

/**
 * The last message up to which the models' work stays valid. If a change lowers it, models have to read the messages
 * after it again, which `tokensReadAgain` counts.
 */
export function goodThrough(unit: Unit): Seq {
  const { store } = unit;
  const newest = store.summaries.newest()?.throughSeq ?? 0;
  const job = summarizeJob(unit);
  if (job === undefined) return newest;
  const sound = lastSoundVersion(unit);
  const tip = store.messages.tip();
  const isUntouched = sound === Number.MAX_SAFE_INTEGER || tip === null;
  const settled = isUntouched ? newest : (store.summaries.at(tip.branch, sound)?.throughSeq ?? 0);
  const inProgress = store.jobs.inProgress(job.id);
  return Math.max(settled, inProgress.invalidatedFromSeq === null ? begunThrough(job, inProgress) : 0);
}

/** Updates the token count of the newest version after items were deleted from it. */
export function countAnew({ summaries }: SessionStore): void {
  const newest = summaries.newest();
  if (newest !== null) summaries.setTokens(newest.version, itemsTokens(summaries.items(newest.version)));
}

/**
 * The fields that make a failed job pending again, for a rebuild: the versions that it replaces may still contain what
 * was erased. Empty for a job that is pending already.
 */
export function revived(job: SummarizeJob, now: number): Partial<Pick<SummarizeJob, "state" | "nextSendAt">> {
  return job.state === "failed" ? { state: "pending", nextSendAt: now + REBUILD_DELAY_MS } : {};
}

/**
 * How many tokens models have to read again because of a change: 0 if none. Several changes before one rebuild are
 * counted once.
 * @param goodBefore what `goodThrough` returned before the change
 */
export function tokensReadAgain(unit: Unit, goodBefore: Seq): TokenCount {
  const { branches, messages, totals } = unit.store;
  const good = goodThrough(unit);
  if (good >= goodBefore) return 0;
  const branch = branches.active(messages.head()?.seq ?? 0);
  const again = totals.costOn(branch, goodBefore) - totals.costOn(branch, good);
  return Math.max(MIN_USER_SUMMARY_TOKENS, again);
}
