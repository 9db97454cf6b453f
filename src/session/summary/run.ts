import { MAX_SUMMARIZER_INPUT_TOKENS } from "../../api/limits.ts";
import type { Role, Seq, TokenCount } from "../../api/message.ts";
import type { SummarizerAnswer, SummarizerRequest, TranscriptMessage } from "../../api/summarizer.ts";
import type { Item, KeptItem } from "../../api/summary.ts";
import { LEASE_MS } from "../../lib/retry-policy.ts";
import { isOn } from "../../prompt/branch.ts";
import { cutText } from "../../prompt/cut-text.ts";
import { itemsTokens, mergeItems, partItems, sameItem, sourceOf } from "../../prompt/items.ts";
import { isTold, messageCost, messageText } from "../../prompt/message-text.ts";
import { noteChange } from "../log/index.ts";
import { addUsage, type Failed, heldMs, isHeld, mayBeListed } from "../outbox/index.ts";
import { startOfDay } from "../quota/index.ts";
import {
  type Draft,
  type GoodPart,
  type JobRow,
  localTime,
  type MessageRow,
  saidTime,
  settingsOf,
  type SummaryRow,
} from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { isMadeAnew, isRemake } from "./due.ts";
import { coveredAnywhere, scheduleRebuildFrom, uncovered } from "./invalidate.ts";
import { scheduleUpgrade, type Upgrade } from "./upgrade.ts";

/** What a consumer does next for a summary. */
export type SummaryStep =
  /** Call the summarizer, and save its answer under the lease. */
  | {
      readonly next: "call";
      readonly lease: string;
      readonly request: SummarizerRequest;
      /** Failed attempts so far. */
      readonly failures: number;
      /** All of it is summarized already, though not by what was asked for: nothing is gained by another fallback summary. */
      readonly isUpgrade: boolean;
      /** The session has used up what it may spend on models for now. */
      readonly isOverBudget: boolean;
    }
  /** Another consumer is at it. The object sends the job again if nothing comes of that. */
  | { readonly next: "wait" }
  /** Nothing is pending any more. */
  | {
      readonly next: "done";
      /** Operators may know of it. */
      readonly hasFailed: boolean;
      /** What is pending in the place of the fallback summary that landed. */
      readonly upgrade: Upgrade | null;
      /** The job of the vectors that the summary calls for; absent where none are made, or no version landed. */
      readonly embeddingJobId?: string;
    };

export const NOTHING_PENDING: SummaryStep = { next: "done", hasFailed: false, upgrade: null };

const HELD: SummaryStep = { next: "wait" };

/** What a call has room for besides the items so far: a summary that is as large as a call would else leave none for what is new. */
const MAX_GIVEN_TOKENS = MAX_SUMMARIZER_INPUT_TOKENS / 2;

/** The first step of a delivery: takes the lease, and hands out the next chunk. */
export function beginSummary(unit: Unit, jobId: string): SummaryStep {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null || job.kind !== "summarize" || job.state !== "pending") return NOTHING_PENDING;
  if (isHeld(job, unit.now)) return HELD;
  if (isOver(unit, job)) {
    store.jobs.delete(job.id);
    return { next: "done", hasFailed: mayBeListed(job), upgrade: null };
  }
  return handOutChunk(unit, withoutInvalidation(job));
}

/** What was changed since would have to be taken out of a draft by another job, which then pays again for all that goes on from it. */
function withoutInvalidation(job: JobRow): JobRow {
  const { draft, invalidatedFromSeq } = job;
  const isInvalidated = draft !== null && invalidatedFromSeq !== null && invalidatedFromSeq <= draft.throughSeq;
  return isInvalidated ? { ...job, draft: null } : job;
}

/** Whether there is nothing to cover any more: see `endSummary`; or another branch has in its summary what there is. */
function isOver(unit: Unit, job: JobRow): boolean {
  return !isMadeAnew(job) && job.throughSeq <= (unit.store.summaries.newest()?.throughSeq ?? 0);
}

function handOutChunk(unit: Unit, given: JobRow): SummaryStep {
  const { store } = unit;
  const baseVersion = store.summaries.newest()?.version ?? 0;
  // A draft on an older version is of no use: what it left out may be in the newer one.
  const saved = given.draft !== null && given.draft.baseVersion === baseVersion ? given.draft : null;
  const job = coveringNoLess(unit, readAnew(unit, given, saved?.throughSeq ?? 0));
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
    draft: saved,
    lease,
    leaseUntil,
    // While a consumer is at it, another delivery would find nothing to do, and take the place of one that does.
    nextSendAt: leaseUntil,
    baseVersion,
    chunkThroughSeq,
  });
  return {
    next: "call",
    lease,
    request: { previous: previous.map(toPlainItem), messages, maxTokens },
    failures: job.failures,
    isUpgrade: isRemake(unit, job),
    isOverBudget: isOverBudget(unit),
  };
}

export function isOverBudget(unit: Unit): boolean {
  const budget = settingsOf(unit.session).summarizerTokensPerDay;
  return budget !== null && unit.store.spent.on(startOfDay(unit.now)).summarizerTokens >= budget;
}

/**
 * What was changed after it had been given, and before its answer was saved, is given anew: that makes nothing to be done again of it.
 * Versions that cover it still have to go, and the job begins before them.
 */
function readAnew(unit: Unit, job: JobRow, savedThroughSeq: Seq): JobRow {
  const { store } = unit;
  const { invalidatedFromSeq } = job;
  if (invalidatedFromSeq === null || invalidatedFromSeq <= savedThroughSeq) return job;
  if (invalidatedFromSeq > coveredAnywhere(store)) return { ...job, invalidatedFromSeq: null };
  const rebuildBase = Math.min(
    job.rebuildBase ?? Number.MAX_SAFE_INTEGER,
    store.summaries.versionBefore(invalidatedFromSeq),
  );
  return { ...job, invalidatedFromSeq: null, rebuildBase, throughSeq: Math.max(job.throughSeq, coveredSeq(unit)) };
}

/** Whatever a job begins from, and whoever does it: what lands covers no less than what is there. */
function coveringNoLess(unit: Unit, job: JobRow): JobRow {
  return { ...job, throughSeq: Math.max(job.throughSeq, coveredSeq(unit)) };
}

/** The last message that the newest version covers. A version that is wrong may say that it covers more than there is. */
function coveredSeq(unit: Unit): Seq {
  const { store } = unit;
  return Math.min(store.summaries.newest()?.throughSeq ?? 0, store.messages.head()?.seq ?? 0);
}

function emptyDraft(unit: Unit, baseVersion: number, job: JobRow): Draft {
  const { store } = unit;
  const base = job.fromScratch ? null : baseOf(unit, job.rebuildBase ?? baseVersion, job);
  const own =
    base === null ? [] : store.summaries.items(base.version).filter((item) => item.sourceSession === undefined);
  // Whatever is summarized again: what was carried over rests on nothing that was said here, and could not be made again.
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
 * The version that a summary goes on from: of several branches one may be the newest that is not of the branch at hand. What is to be
 * better than a fallback summary goes on from none, also once it takes newer messages along: its result would be made again, and paid for again.
 */
function baseOf(unit: Unit, version: number, { throughSeq, rebuildBase, isUpgrade }: JobRow): SummaryRow | null {
  const { store } = unit;
  const asked = store.summaries.byVersion(version);
  if (store.branches.isSole || rebuildBase === null) return asked;
  const isGood = isUpgrade || asked?.degraded === false;
  return store.summaries.at(store.branches.through(throughSeq), version, isGood ? "good" : "any");
}

export function toPlainItem({ id, kind, text, sourceSeqs, sourceSession, status }: Item): Item {
  return { id, kind, text, sourceSeqs, ...(sourceSession === undefined ? {} : { sourceSession }), status };
}

/** The same with the epoch of the session that it was carried over from, which stays among sessions. */
export function toKeptItem(item: KeptItem): KeptItem {
  return { ...toPlainItem(item), ...sourceOf(item) };
}

export interface Saved {
  readonly step: SummaryStep;
  /** The last version that landed; null if none did. */
  readonly committedVersion: number | null;
  /** It took the place of earlier versions, which the archive may hold. */
  readonly isReplaced: boolean;
}

/**
 * Saves an answer, checked against the messages that it cites, and hands out the next chunk; after the last one the summary
 * lands, whole. An answer under a lease that is no longer held changes nothing.
 * @param fallbackCause why it is not by the summarizer that was asked for: the summary is marked degraded, and a better one is pending
 */
export function saveAnswer(
  unit: Unit,
  jobId: string,
  lease: string,
  answer: SummarizerAnswer,
  fallbackCause: Failed | null,
): Saved {
  const { store, now } = unit;
  const given = store.jobs.byId(jobId);
  if (given === null || given.state !== "pending") return notLanded(NOTHING_PENDING);
  if (given.lease !== lease || given.baseVersion === null || given.chunkThroughSeq === null) {
    return notLanded(HELD);
  }
  const { chunkThroughSeq, baseVersion } = given;
  const job = given;
  const isFallback = fallbackCause !== null;
  const draft = job.draft ?? emptyDraft(unit, baseVersion, job);
  const version = draft.baseVersion + 1;
  const { heldBack } = partItems(draft.items, MAX_GIVEN_TOKENS);
  const branch = store.branches.through(chunkThroughSeq);
  const merged = mergeItems(
    draft.items,
    // What the summarizer was not given it has not left out.
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
  // What was to be said of a message that was changed meanwhile is covered by nothing until the next summary.
  if (job.invalidatedFromSeq !== null) store.summaries.hide(uncovered(merged.dropped, merged.items));
  const saved: JobRow = {
    ...job,
    ...(fallbackCause === null
      ? {}
      : {
          firstError: job.firstError ?? fallbackCause.reason,
          lastError: fallbackCause.reason,
          firstFailedAt: job.firstFailedAt ?? now,
          lastFailedAt: now,
        }),
    usage: addUsage(job.usage, answer.usage, heldMs(given, now)),
    draft: {
      ...draft,
      throughSeq: chunkThroughSeq,
      items: merged.items,
      dropped: draft.dropped + merged.dropped.length,
      summarizer: answer.model,
      degraded: draft.degraded || isFallback,
      good: isFallback ? goodPartOf(job.draft) : draft.good,
    },
  };
  if (chunkThroughSeq < job.throughSeq) {
    return notLanded(handOutChunk(unit, withoutInvalidation(saved)));
  }
  if ((store.summaries.newest()?.version ?? 0) !== draft.baseVersion) {
    // Another summary landed meanwhile: begin again from it.
    return notLanded(handOutChunk(unit, { ...saved, draft: null }));
  }
  const summary = saved.draft ?? draft;
  commitSummary(unit, summary, version, saved);
  // A better one takes the place of a fallback summary that was counted.
  if (!job.isUpgrade) store.spent.add(startOfDay(now), { summaries: 1 });
  store.jobs.delete(job.id);
  let upgrade: Upgrade | null = null;
  if (job.invalidatedFromSeq !== null) scheduleRebuildFrom(unit, job.invalidatedFromSeq);
  else {
    // Whatever was hidden is covered anew, or was hidden by a draft that was given up.
    store.summaries.clearHidden();
    if (summary.degraded) upgrade = scheduleUpgrade(unit, saved, fallbackCause);
  }
  return {
    step: { next: "done", hasFailed: given.firstFailedAt !== null, upgrade },
    committedVersion: version,
    isReplaced: job.rebuildBase !== null,
  };
}

/** What of a draft need not be paid for again, once a fallback summary serves for the rest. */
function goodPartOf(draft: Draft | null): GoodPart | null {
  if (draft === null || draft.degraded) return draft?.good ?? null;
  const { throughSeq, items, dropped, summarizer } = draft;
  return { throughSeq, items, dropped, summarizer };
}

/** Whose wishes hold in a chat. */
const INSTRUCTING: ReadonlySet<Role> = new Set(["user", "system", "developer"]);

/** What an item may say of a message: its text, and who said it in which role and on which day. */
export function evidenceOf(row: MessageRow): string {
  const { role, author, content } = row;
  return `${role} ${author ?? ""} ${dayOf(localTime(row))} ${messageText(content ?? "")}`;
}

/** The day on which a message was said, by the clock of whoever said it. */
function dayOfMessage({ messages }: Pick<SessionStore, "messages">): (seq: Seq) => string | null {
  return (seq) => {
    const row = messages.bySeq(seq, "told");
    return row === null ? null : isoDay(localTime(row));
  };
}

/** Made once: it takes longer than all else that is done for a message. */
const LONG_DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

/** A day as it may be written: "2026-11-22", "22 November 2026". */
function dayOf(ms: number): string {
  return `${isoDay(ms)} ${LONG_DATE.format(new Date(ms))}`;
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Ids for the new items of a version, after those that its draft has. */
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

/** Makes some items those of a new version, which comes after another: what is in both is not written again. */
function replaceItems(unit: Unit, beforeVersion: number, items: readonly KeptItem[], version: number): void {
  const { store } = unit;
  const before = new Map(store.summaries.items(beforeVersion).map((item) => [item.id, item]));
  for (const item of items) {
    const old = before.get(item.id);
    if (old !== undefined && sameItem(old, item)) {
      before.delete(item.id);
      continue;
    }
    store.summaries.insertItem(item, version);
  }
  for (const old of before.values()) store.summaries.endItem(old.id, old.fromVersion, version);
}

/**
 * Brings an earlier version back as a new one, since the newest is not of the branch that is active now. It is as it was, but for what was
 * carried over since, which rests on no message of any branch.
 * @param earlier null: no version is of that branch
 * @returns the tokens of it
 */
export function bringBack(unit: Unit, newest: SummaryRow, earlier: SummaryRow | null): TokenCount {
  const items = broughtBack(unit, newest, earlier);
  replaceItems(unit, newest.version, items, newest.version + 1);
  return landAgain(unit, newest, earlier, items);
}

/**
 * Brings an earlier version back as a new one in the place of all that came after it, whichever branch they were of. It is as it was, but
 * for what was carried over since.
 * @returns the tokens of it
 */
export function restoreVersion(unit: Unit, newest: SummaryRow, earlier: SummaryRow): TokenCount {
  const items = broughtBack(unit, newest, earlier);
  unit.store.summaries.deleteVersionsAfter(earlier.version);
  replaceItems(unit, earlier.version, items, newest.version + 1);
  return landAgain(unit, newest, earlier, items);
}

/** What an earlier version says of this session, and what the newest one has from others. */
function broughtBack(unit: Unit, newest: SummaryRow, earlier: SummaryRow | null): KeptItem[] {
  const { store } = unit;
  const own = earlier === null ? [] : store.summaries.items(earlier.version);
  const carried = store.summaries.items(newest.version).filter((item) => item.sourceSession !== undefined);
  return [...carried, ...own.filter((item) => item.sourceSession === undefined)].map(toKeptItem);
}

function landAgain(unit: Unit, newest: SummaryRow, earlier: SummaryRow | null, items: readonly KeptItem[]): TokenCount {
  const version = newest.version + 1;
  const { summarizer, degraded, droppedItems, createdAt } = earlier ?? { ...EMPTY_VERSION, createdAt: unit.now };
  const [throughSeq, tokens] = [earlier?.throughSeq ?? 0, itemsTokens(items)];
  // What was paid for it stands with the version that it was.
  const row = { version, throughSeq, tokens, summarizer, degraded, droppedItems, usage: null, createdAt };
  unit.store.summaries.insert(row);
  noteChange(unit, "summarized", { version, throughSeq, degraded });
  return tokens;
}

/** Takes out every version, of whichever branch, and leaves one of nothing but what was carried here: its number goes on. */
export function forgetVersions(unit: Unit, newest: SummaryRow): void {
  const carried = unit.store.summaries.items(newest.version).filter((item) => item.sourceSession !== undefined);
  const nothing = { baseVersion: newest.version, throughSeq: 0, ...EMPTY_VERSION, dropped: 0, good: null };
  const draft = { ...nothing, items: carried.map(toKeptItem) };
  commitSummary(unit, draft, newest.version + 1, { rebuildBase: 0, usage: null });
}

const EMPTY_VERSION = { summarizer: "none", degraded: false, droppedItems: 0 };

/** Writes the version. One that was made again takes the place of all that covered what was changed. */
function commitSummary(
  unit: Unit,
  draft: Draft,
  version: number,
  { rebuildBase, usage }: Pick<JobRow, "rebuildBase" | "usage">,
): void {
  const { store } = unit;
  if (rebuildBase !== null) store.summaries.deleteVersionsAfter(rebuildBase);
  replaceItems(unit, rebuildBase ?? draft.baseVersion, draft.items, version);
  store.summaries.insert({
    version,
    throughSeq: draft.throughSeq,
    tokens: itemsTokens(draft.items),
    summarizer: draft.summarizer,
    degraded: draft.degraded,
    droppedItems: draft.dropped,
    usage,
    createdAt: unit.now,
  });
  const { throughSeq, degraded } = draft;
  noteChange(unit, "summarized", { version, throughSeq, degraded });
}
