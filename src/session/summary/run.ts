import { OVER_BUDGET_REASON } from "../../api/health.ts";
import { MAX_SUMMARIZER_INPUT_TOKENS, MIN_USER_SUMMARY_TOKENS } from "../../api/limits.ts";
import type { Role, Seq, TokenCount } from "../../api/message.ts";
import type { SummarizerAnswer, SummarizerRequest, TranscriptMessage } from "../../api/summarizer.ts";
import type { Item, KeptItem, SummaryUsage } from "../../api/summary.ts";
import { LEASE_MS } from "../../lib/retry-policy.ts";
import { isOn } from "../../prompt/branch.ts";
import { cutText } from "../../prompt/cut-text.ts";
import { itemsTokens, mergeItems, partItems, sameItem, sourceOf } from "../../prompt/items.ts";
import { isTold, messageCost, messageText } from "../../prompt/message-text.ts";
import { noteChange } from "../log/index.ts";
import { addUsage, type Failed, heldMs, isHeld, mayBeListed } from "../outbox/index.ts";
import { countForUser, startOfDay } from "../quota/index.ts";
import {
  type Draft,
  type GoodPart,
  localTime,
  type MessageRow,
  saidTime,
  settingsOf,
  type SummarizeJob,
  type SummaryInProgress,
  type SummaryRow,
} from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { isRemake } from "./due.ts";
import { isFromScratch, lastKept } from "./goal.ts";
import { coveredSeq, isOver, withoutInvalidated } from "./in-progress.ts";
import { scheduleRebuildFrom, uncovered } from "./invalidate.ts";
import type { VersionItems } from "./summary-store.ts";
import { scheduleUpgrade, type Upgrade } from "./upgrade.ts";

/** Tells the consumer of a summarize job what to do next. */
export type SummaryStep =
  /** Call the summarizer with `request`, and save its answer with `saveAnswer` under `lease`. */
  | {
      readonly next: "call";
      readonly lease: string;
      readonly request: SummarizerRequest;
      /** How many attempts of this job have failed so far. */
      readonly failures: number;
      /**
       * The messages are summarized already and only the quality is to improve, so a fallback summary would gain
       * nothing.
       */
      readonly isUpgrade: boolean;
      /** The session has used up its `summarizerTokensPerDay` for today (UTC). */
      readonly isOverBudget: boolean;
    }
  /** Another consumer holds the lease. If its lease ends without an answer, the object sends the job again. */
  | { readonly next: "wait" }
  /** The job is over. */
  | {
      readonly next: "done";
      /** Operators may have the job on their list of failed jobs, so the consumer has to remove it from there. */
      readonly hasFailed: boolean;
      /** The job that will replace the fallback summary that was just committed; null if none is needed. */
      readonly upgrade: Upgrade | null;
      /**
       * The job that embeds what the new version contains; absent if the session makes no vectors, or if no version was
       * committed.
       */
      readonly embeddingJobId?: string;
    };

export const NOTHING_PENDING: SummaryStep = { next: "done", hasFailed: false, upgrade: null };

const HELD: SummaryStep = { next: "wait" };

/**
 * How many tokens of existing items are given to a call of the summarizer. The items are limited to half of its input,
 * since a large summary would otherwise leave no room for new messages.
 */
const MAX_GIVEN_TOKENS = MAX_SUMMARIZER_INPUT_TOKENS / 2;

/** The first call of a consumer that received the job: takes the lease and returns the next chunk to summarize. */
export function beginSummary(unit: Unit, jobId: string): SummaryStep {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job?.kind !== "summarize" || job.state !== "pending") return NOTHING_PENDING;
  if (isHeld(job, unit.now)) return HELD;
  const inProgress = store.jobs.inProgress(job.id);
  if (isOver(unit, job, inProgress)) {
    store.jobs.delete(job.id);
    return { next: "done", hasFailed: mayBeListed(job), upgrade: null };
  }
  return handOutChunk(unit, job, inProgress);
}

/**
 * Takes the lease, and returns as many messages after the draft as fit into one call of the summarizer, at least one.
 */
function handOutChunk(unit: Unit, given: SummarizeJob, inProgress: SummaryInProgress): SummaryStep {
  const { store } = unit;
  const baseVersion = store.summaries.newest()?.version ?? 0;
  const { invalidatedFromSeq } = inProgress;
  const saved = isValid(inProgress, baseVersion) ? inProgress.draft : null;
  // The chunk contains the changed message once more, so the summarizer itself reads what it says now.
  const job = extendToCovered(
    unit,
    invalidatedFromSeq === null ? given : withoutInvalidated(unit, given, invalidatedFromSeq),
  );
  const draft = saved ?? emptyDraft(unit, baseVersion, job);
  const maxTokens = settingsOf(unit.session).summaryMaxTokens;
  const { given: previous } = partItems(draft.items, MAX_GIVEN_TOKENS);
  const room = MAX_SUMMARIZER_INPUT_TOKENS - itemsTokens(previous);
  const messages: TranscriptMessage[] = [];
  let chunkThroughSeq = draft.throughSeq;
  let tokens = 0;
  const branch = store.branches.through(job.throughSeq);
  for (const row of store.messages.forwardOn(branch, draft.throughSeq + 1, job.throughSeq, "told")) {
    const cost = messageCost({ tokens: row.tokens, author: row.author ?? undefined });
    if (messages.length > 0 && tokens + cost > room) break;
    tokens += cost;
    chunkThroughSeq = row.seq;
    if (!isTold(row.content)) continue;
    const text = messageText(row.content);
    messages.push({
      seq: row.seq,
      role: row.role,
      ...(row.author === null ? {} : { author: row.author }),
      at: saidTime(row),
      text: cutText(text, room),
    });
  }
  const lease = unit.newId();
  const leaseUntil = unit.now + LEASE_MS;
  store.jobs.put({
    ...job,
    lease,
    leaseUntil,
    // The job is not sent again while the lease is valid: the consumer of that delivery would find the job held, and
    // only use up a slot.
    nextSendAt: leaseUntil,
  });
  const chunk = { baseVersion, throughSeq: chunkThroughSeq };
  store.jobs.putInProgress(job.id, { ...inProgress, draft: saved, chunk, invalidatedFromSeq: null });
  return {
    next: "call",
    lease,
    request: { previous: previous.map(toPlainItem), messages, maxTokens },
    failures: job.failures,
    isUpgrade: isRemake(unit, job),
    isOverBudget: isOverBudget(unit),
  };
}

/**
 * Whether the draft can be continued. It cannot if it covers a message that was edited or erased meanwhile: a second job
 * would have to remove that from the summary, and every chunk after the message would be paid for twice. Nor if it
 * continues from an older version: the newer one may contain items that the draft dropped.
 */
function isValid({ draft, invalidatedFromSeq }: SummaryInProgress, baseVersion: number): boolean {
  if (draft === null || draft.baseVersion !== baseVersion) return false;
  return invalidatedFromSeq === null || invalidatedFromSeq > draft.throughSeq;
}

/** Whether the session has used up its `summarizerTokensPerDay` for today (UTC). */
export function isOverBudget(unit: Unit): boolean {
  const budget = settingsOf(unit.session).summarizerTokensPerDay;
  return budget !== null && unit.store.spent.on(startOfDay(unit.now)).summarizerTokens >= budget;
}

/** Extends the job so that the new version covers at least what the newest version covers. */
function extendToCovered(unit: Unit, job: SummarizeJob): SummarizeJob {
  return { ...job, throughSeq: Math.max(job.throughSeq, coveredSeq(unit)) };
}

/** The draft to start with: the items of the version that the job continues from, and all carried items. */
function emptyDraft(unit: Unit, baseVersion: number, job: SummarizeJob): Draft {
  const { store } = unit;
  const base = isFromScratch(job.goal) ? null : baseOf(unit, job, baseVersion);
  const own =
    base === null ? [] : store.summaries.items(base.version).filter((item) => item.sourceSession === undefined);
  // Carried items are kept even when summarizing from scratch: they cite no message of this session, so a summarizer
  // could not make them again.
  const carried = store.summaries.items(baseVersion).filter((item) => item.sourceSession !== undefined);
  return {
    baseVersion,
    throughSeq: base?.throughSeq ?? 0,
    items: [...carried, ...own].map(toKeptItem),
    dropped: 0,
    summarizer: base?.summarizer ?? "",
    degraded: base?.degraded ?? false,
    good: null,
  };
}

/**
 * The version that the job continues from. For a rebuild it is the one that covers the most of the job's branch, which
 * need not be the last that is kept. A rebuild that is to replace a fallback summary never continues from a degraded
 * version: its result would be degraded too, and would have to be made, and paid for, again.
 */
function baseOf(unit: Unit, { goal, throughSeq }: SummarizeJob, newestVersion: number): SummaryRow | null {
  const { store } = unit;
  const kept = lastKept(goal);
  const asked = store.summaries.byVersion(kept ?? newestVersion);
  if (store.branches.isSole || kept === null) return asked;
  const isGood = goal.is === "upgrade" || asked?.degraded === false;
  return store.summaries.at(store.branches.through(throughSeq), kept, isGood ? "good" : "any");
}

/** The item as clients, summarizers and the archive see it, without the epoch of its source session. */
export function toPlainItem({ id, kind, text, sourceSeqs, sourceSession, status }: Item): Item {
  return { id, kind, text, sourceSeqs, ...(sourceSession === undefined ? {} : { sourceSession }), status };
}

/**
 * The item with the epoch of the session that it was carried over from. Only session objects use the epoch; clients do
 * not see it.
 */
export function toKeptItem(item: KeptItem): KeptItem {
  return { ...toPlainItem(item), ...sourceOf(item) };
}

/** The result of `saveAnswer`. */
export interface Saved {
  readonly step: SummaryStep;
  /** The version that was committed; null if the summary is not complete yet, or nothing changed. */
  readonly committedVersion: number | null;
  /** The committed version replaced earlier ones, which the archive may hold and has to delete. */
  readonly isReplaced: boolean;
}

/**
 * Saves an answer of a summarizer. Each item is checked against the messages that it cites, and refused if they do not
 * support it. Returns the next chunk; after the last one, commits the new version as a whole. An answer under a lease
 * that is no longer held changes nothing.
 * @param fallbackCause why the answer is not from the summarizer that the session asked for; null if it is. With a
 *   cause the version is marked `degraded`, and a job to replace it is scheduled
 */
export function saveAnswer(
  unit: Unit,
  jobId: string,
  lease: string,
  answer: SummarizerAnswer,
  fallbackCause: Failed | null,
): Saved {
  const { store, now } = unit;
  const job = store.jobs.byId(jobId);
  if (job?.kind !== "summarize" || job.state !== "pending") return notLanded(NOTHING_PENDING);
  const inProgress = store.jobs.inProgress(jobId);
  const { chunk, invalidatedFromSeq } = inProgress;
  if (job.lease !== lease || chunk === null) return notLanded(HELD);
  const { throughSeq } = chunk;
  const isFallback = fallbackCause !== null;
  const draft = inProgress.draft ?? emptyDraft(unit, chunk.baseVersion, job);
  const version = draft.baseVersion + 1;
  const { heldBack } = partItems(draft.items, MAX_GIVEN_TOKENS);
  const branch = store.branches.through(throughSeq);
  const merged = mergeItems(
    draft.items,
    // Items that did not fit into the call are kept: the summarizer had no chance to keep them.
    [...heldBack, ...answer.items],
    (seq) => {
      const row = isOn(branch, seq) ? store.messages.bySeq(seq, "told") : null;
      return row === null || !isTold(row.content) ? null : evidenceOf(row);
    },
    settingsOf(unit.session).summaryMaxTokens,
    itemIdsAfter(draft.items, version),
    dayOfMessage(store),
    (seq) => INSTRUCTING.has(store.messages.bySeq(seq, "told")?.role ?? "tool"),
  );
  if (isPostponedByBudget(job)) {
    const tokens = store.totals.costOn(branch, throughSeq) - store.totals.costOn(branch, draft.throughSeq);
    countForUser(unit, { summarizerTokens: Math.max(MIN_USER_SUMMARY_TOKENS, tokens) });
  }
  // If a message was changed meanwhile, the items that cite it were refused. Contexts must not treat those messages as
  // covered until the rebuild.
  if (invalidatedFromSeq !== null) store.summaries.hide(uncovered(merged.dropped, merged.items));
  const made: Draft = {
    ...draft,
    throughSeq,
    items: merged.items,
    dropped: draft.dropped + merged.dropped.length,
    summarizer: answer.model,
    degraded: draft.degraded || isFallback,
    good: isFallback ? goodPartOf(inProgress.draft) : draft.good,
  };
  const usage = addUsage(inProgress.usage, answer.usage, heldMs(job, now));
  const noted = isFallback ? withFailure(job, fallbackCause.reason, now) : job;
  if (throughSeq < job.throughSeq) {
    return notLanded(handOutChunk(unit, noted, { ...inProgress, usage, draft: made }));
  }
  if ((store.summaries.newest()?.version ?? 0) !== draft.baseVersion) {
    // Another version was committed meanwhile: start again from that one.
    return notLanded(handOutChunk(unit, noted, { ...inProgress, usage, draft: null }));
  }
  commitSummary(unit, made, version, { replacesAfter: lastKept(job.goal), usage });
  // A summary that replaces a fallback summary is not counted against the daily limit: the fallback summary was.
  if (job.goal.is !== "upgrade") store.spent.add(startOfDay(now), { summaries: 1 });
  store.jobs.delete(job.id);
  let upgrade: Upgrade | null = null;
  if (invalidatedFromSeq !== null) scheduleRebuildFrom(unit, invalidatedFromSeq);
  else {
    // The new version covers the messages that were hidden before, or they were hidden for a draft that was discarded.
    store.summaries.clearHidden();
    if (made.degraded) upgrade = scheduleUpgrade(unit, { job: noted, draft: made, cause: fallbackCause });
  }
  return {
    step: { next: "done", hasFailed: job.firstFailedAt !== null, upgrade },
    committedVersion: version,
    isReplaced: lastKept(job.goal) !== null,
  };
}

/** The job with the failure that made a fallback summary necessary. */
function withFailure(job: SummarizeJob, reason: string, now: number): SummarizeJob {
  return {
    ...job,
    firstError: job.firstError ?? reason,
    lastError: reason,
    firstFailedAt: job.firstFailedAt ?? now,
    lastFailedAt: now,
  };
}

/**
 * Whether the job replaces a summary that was made without the model because a daily limit was used up. What the model
 * reads for it counts for the user on the day that it is read: otherwise the user's limit would only put the cost off.
 */
function isPostponedByBudget({ goal, firstError, lastError }: SummarizeJob): boolean {
  return goal.is === "upgrade" && [firstError, lastError].includes(OVER_BUDGET_REASON);
}

/**
 * The part of a draft that the requested summarizer made. The job that replaces the fallback summary continues from
 * there, and does not pay for that part again. Null if there is none.
 */
function goodPartOf(draft: Draft | null): GoodPart | null {
  if (draft === null || draft.degraded) return draft?.good ?? null;
  const { throughSeq, items, dropped, summarizer } = draft;
  return { throughSeq, items, dropped, summarizer };
}

/**
 * The roles whose messages may support an item of kind `instruction`: what a tool or an assistant says is no
 * instruction.
 */
const INSTRUCTING: ReadonlySet<Role> = new Set(["user", "system", "developer"]);

/** The text against which an item is checked that cites this message: role, author, day, and the message's text. */
export function evidenceOf(row: MessageRow): string {
  const { role, author, content } = row;
  return `${role} ${author ?? ""} ${dayOf(localTime(row))} ${messageText(content ?? "")}`;
}

/**
 * Looks up the day (YYYY-MM-DD) on which a message was said, in the local time of its author; null if there is no such
 * message.
 */
function dayOfMessage({ messages }: Pick<SessionStore, "messages">): (seq: Seq) => string | null {
  return (seq) => {
    const row = messages.bySeq(seq, "told");
    return row === null ? null : isoDay(localTime(row));
  };
}

/** Shared, because creating a formatter takes longer than everything else that is done for one message. */
const LONG_DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

/** A day in the two forms that items may use: "2026-11-22 22 November 2026". */
function dayOf(ms: number): string {
  return `${isoDay(ms)} ${LONG_DATE.format(new Date(ms))}`;
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Makes ids `version.count` for new items, continuing after those that the draft already uses. */
function itemIdsAfter(items: readonly Item[], version: number): () => string {
  let counter = items.reduce((highest, item) => {
    const [ofVersion, count] = item.id.split(".");
    return Number(ofVersion) === version ? Math.max(highest, Number(count)) : highest;
  }, 0);
  return () => {
    counter += 1;
    return `${version}.${counter}`;
  };
}

function notLanded(step: SummaryStep): Saved {
  return { step, committedVersion: null, isReplaced: false };
}

/** What a version with `items` has in common with `beforeVersion`, which it follows, and what not. */
function changeOf(unit: Unit, beforeVersion: number, items: readonly KeptItem[]): VersionItems {
  const before = new Map(unit.store.summaries.placedItems(beforeVersion).map((placed) => [placed.item.id, placed]));
  const kept: number[] = [];
  const added: KeptItem[] = [];
  for (const item of items) {
    const old = before.get(item.id);
    if (old === undefined || !sameItem(old.item, item)) {
      added.push(item);
      continue;
    }
    before.delete(item.id);
    kept.push(old.row);
  }
  return { kept, added, ended: [...before.values()].map(({ row }) => row) };
}

/**
 * Commits a copy of an earlier version as a new version, after the active branch was switched and the newest version
 * covers another branch. Items that were carried over since are added: they cite no message of any branch.
 * @param earlier the version to copy; null if none covers a part of the active branch, which makes a version without
 *   own items
 * @returns the tokens of the new version
 */
export function bringBack(unit: Unit, newest: SummaryRow, earlier: SummaryRow | null): TokenCount {
  const items = collectItemsToRestore(unit, newest, earlier);
  return insertCopiedVersion(unit, newest, earlier, items, newest.version);
}

/**
 * Commits a copy of an earlier version as a new version and deletes the versions between them, of whichever branch.
 * Items that were carried over since are added.
 * @returns the tokens of the new version
 */
export function restoreVersion(unit: Unit, newest: SummaryRow, earlier: SummaryRow): TokenCount {
  const items = collectItemsToRestore(unit, newest, earlier);
  unit.store.summaries.deleteVersionsAfter(earlier.version);
  return insertCopiedVersion(unit, newest, earlier, items, earlier.version);
}

/** The own items of the earlier version, and the carried items of the newest one. */
function collectItemsToRestore(unit: Unit, newest: SummaryRow, earlier: SummaryRow | null): KeptItem[] {
  const { store } = unit;
  const own = earlier === null ? [] : store.summaries.items(earlier.version);
  const carried = store.summaries.items(newest.version).filter((item) => item.sourceSession !== undefined);
  return [...carried, ...own.filter((item) => item.sourceSession === undefined)].map(toKeptItem);
}

/**
 * Writes a version that copies an earlier one, and announces it on the live feed.
 * @param beforeVersion the version that it follows
 */
function insertCopiedVersion(
  unit: Unit,
  newest: SummaryRow,
  earlier: SummaryRow | null,
  items: readonly KeptItem[],
  beforeVersion: number,
): TokenCount {
  const version = newest.version + 1;
  const { summarizer, degraded, droppedItems, createdAt } = earlier ?? { ...EMPTY_VERSION, createdAt: unit.now };
  const [throughSeq, tokens] = [earlier?.throughSeq ?? 0, itemsTokens(items)];
  // `usage` stays with the version that it was paid for, so that sums over all versions count it once.
  const row = { version, throughSeq, tokens, summarizer, degraded, droppedItems, usage: null, createdAt };
  unit.store.summaries.insert(row, changeOf(unit, beforeVersion, items));
  noteChange(unit, "summarized", { version, throughSeq, degraded });
  return tokens;
}

/**
 * Deletes every version, of whichever branch, and commits a new one that contains only the carried items. Version
 * numbers continue.
 */
export function forgetVersions(unit: Unit, newest: SummaryRow): void {
  const carried = unit.store.summaries.items(newest.version).filter((item) => item.sourceSession !== undefined);
  const nothing = { baseVersion: newest.version, throughSeq: 0, ...EMPTY_VERSION, dropped: 0, good: null };
  const draft = { ...nothing, items: carried.map(toKeptItem) };
  commitSummary(unit, draft, newest.version + 1, { replacesAfter: 0, usage: null });
}

const EMPTY_VERSION = { summarizer: "none", degraded: false, droppedItems: 0 };

/**
 * Writes a version with its items, and announces it on the live feed.
 * @param replacesAfter all versions after this one are deleted; null if none is
 */
function commitSummary(
  unit: Unit,
  draft: Draft,
  version: number,
  { replacesAfter, usage }: { readonly replacesAfter: number | null; readonly usage: SummaryUsage | null },
): void {
  const { store } = unit;
  if (replacesAfter !== null) store.summaries.deleteVersionsAfter(replacesAfter);
  const row = {
    version,
    throughSeq: draft.throughSeq,
    tokens: itemsTokens(draft.items),
    summarizer: draft.summarizer,
    degraded: draft.degraded,
    droppedItems: draft.dropped,
    usage,
    createdAt: unit.now,
  };
  store.summaries.insert(row, changeOf(unit, replacesAfter ?? draft.baseVersion, draft.items));
  const { throughSeq, degraded } = draft;
  noteChange(unit, "summarized", { version, throughSeq, degraded });
}
