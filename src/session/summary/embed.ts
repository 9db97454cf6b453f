import { createHash } from "node:crypto";
import type { Seq } from "../../api/message.ts";
import { LEASE_MS } from "../../lib/retry-policy.ts";
import { isTold, messageText } from "../../prompt/message-text.ts";
import { isHeld, mayBeListed, newJob } from "../outbox/index.ts";
import type { OwnedVector, VectorOwner } from "../search/index.ts";
import type { JobRow } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { isOverBudget } from "./run.ts";

/**
 * Which texts of a session are to have a vector of their meaning, and what becomes of the vectors: what users said, and the items of the newest
 * version of the summary. The job is scheduled with each summary, and after it the session has them all.
 */

/** Texts of one call of a model. With `MAX_CALL_LENGTH` it bounds what is held of a call: 256 KB of text, and 1 MB of the longest vectors. */
const MAX_TEXTS = 64;
/** UTF-16 units of the texts of one call. A first text goes in, whatever its length. */
const MAX_CALL_LENGTH = 128 * 1024;
/** UTF-16 units of a text that are given to a model: about 1,000 tokens. Of more its vector would say less of each part. */
const MAX_TEXT_LENGTH = 4_000;
/** Turns that are looked through at once. */
const PAGE_SEQS = 1_000;
/** The consumer that landed the summary goes on with the vectors at once. Only if nothing comes of that, the job is sent. */
const HEAD_START_MS = 60_000;

export interface TextToEmbed {
  /** What it is of, and a digest of it: a vector that comes back after a change finds that it is late. */
  readonly key: string;
  readonly text: string;
}

/** What a consumer does next for vectors. */
export type EmbeddingStep =
  /** Have the texts embedded, and save what came under the lease. */
  | {
      readonly next: "call";
      readonly lease: string;
      readonly texts: readonly TextToEmbed[];
      /** The session has used up what it may spend on models for now. */
      readonly isOverBudget: boolean;
    }
  /** Another consumer is at it. */
  | { readonly next: "wait" }
  /** Nothing is pending any more. `hasFailed`: operators may know of it. */
  | { readonly next: "done"; readonly hasFailed: boolean };

export const NOTHING_TO_EMBED: EmbeddingStep = { next: "done", hasFailed: false };
const HELD: EmbeddingStep = { next: "wait" };

/** A vector of a text, under the key that came with the text. */
export interface KeyedVector {
  readonly key: string;
  readonly vector: Float32Array;
}

/**
 * Schedules the vectors that are lacking. One that was given up is pending again: the session went on.
 * @param isBegun whoever landed the summary goes on with it
 */
export function scheduleEmbedding(unit: Unit, isBegun: boolean): JobRow {
  const { store, now } = unit;
  const open = store.jobs.first("embed");
  const nextSendAt = isBegun ? now + HEAD_START_MS : now;
  // It is never 0 while there is something to do: see `callOffEmbedding`.
  const throughSeq = Math.max(1, store.summaries.newest()?.throughSeq ?? 0);
  const job: JobRow =
    open === null
      ? { ...newJob("embed", unit.session.epoch, unit.newId(), throughSeq, nextSendAt, now), isUpgrade: true }
      : {
          ...open,
          state: "pending",
          throughSeq,
          failures: open.state === "failed" ? 0 : open.failures,
          // While the provider is away the backoff stands.
          nextSendAt: isHeld(open, now) || open.failures > 0 ? Math.max(open.nextSendAt, now) : nextSendAt,
        };
  store.jobs.put(job);
  return job;
}

/** Ends a job that was given up, before the session expires. One that operators may know of goes to a consumer once more, who takes it off their lists. */
export function callOffEmbedding(unit: Unit): void {
  const { store } = unit;
  const job = store.jobs.first("embed");
  if (job === null || job.state !== "failed") return;
  if (mayBeListed(job)) store.jobs.put({ ...job, state: "pending", throughSeq: 0, nextSendAt: unit.now });
  else store.jobs.delete(job.id);
}

/** The first step of a delivery. @param model of the vectors; null: there are to be none any more */
export function beginEmbedding(unit: Unit, jobId: string, model: string | null): EmbeddingStep {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null || job.kind !== "embed" || job.state !== "pending") return NOTHING_TO_EMBED;
  if (isHeld(job, unit.now)) return HELD;
  if (model === null || job.throughSeq === 0) {
    store.jobs.delete(job.id);
    return { next: "done", hasFailed: mayBeListed(job) };
  }
  return handOutTexts(unit, job, model);
}

/** Saves vectors under the lease that their texts were handed out with, and hands out the next texts. */
export function saveVectors(
  unit: Unit,
  jobId: string,
  lease: string,
  model: string,
  vectors: readonly KeyedVector[],
): EmbeddingStep {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null || job.state !== "pending") return NOTHING_TO_EMBED;
  if (job.lease !== lease) return HELD;
  const textNow = textReader(unit);
  const current = vectors.flatMap(({ key, vector }): OwnedVector[] => {
    const owner = ownerOf(key);
    const text = owner === null ? null : textNow(owner);
    return owner === null || text === null || keyOf(owner, text) !== key ? [] : [{ owner, vector }];
  });
  store.vectors.put(model, current);
  return handOutTexts(unit, withoutFailures(job), model);
}

/** What failed before is over: the model answers. */
function withoutFailures(job: JobRow): JobRow {
  return { ...job, failures: 0, sends: 0 };
}

function handOutTexts(unit: Unit, job: JobRow, model: string): EmbeddingStep {
  const { store } = unit;
  const texts = textsToEmbed(unit, model);
  if (texts.length === 0) {
    forgetOldItems(unit);
    store.jobs.delete(job.id);
    return { next: "done", hasFailed: mayBeListed(job) };
  }
  const lease = unit.newId();
  const leaseUntil = unit.now + LEASE_MS;
  store.jobs.put({ ...job, lease, leaseUntil, nextSendAt: leaseUntil });
  return { next: "call", lease, texts, isOverBudget: isOverBudget(unit) };
}

/** The next texts that have no vector of a model: turns first, oldest first, then items. */
function textsToEmbed(unit: Unit, model: string): TextToEmbed[] {
  const { store } = unit;
  const state = store.vectors.state();
  const isSame = state?.model === model;
  const owners = isSame ? store.vectors.owners() : new Set<number>();
  const texts: TextToEmbed[] = [];
  let length = 0;
  const add = (owner: VectorOwner, text: string): boolean => {
    if (texts.length >= MAX_TEXTS || (texts.length > 0 && length + text.length > MAX_CALL_LENGTH)) return false;
    length += text.length;
    texts.push({ key: keyOf(owner, text), text });
    return true;
  };
  // All of these have a vector, or say nothing.
  let doneSeq: Seq = isSame ? state.doneSeq : 0;
  let isFull = false;
  for (let after = doneSeq; !isFull;) {
    const seqs = store.messages.userSeqs(after, PAGE_SEQS);
    for (const seq of seqs) {
      const text = owners.has(seq) ? null : turnText(unit, seq);
      if (text !== null && !add({ of: "message", seq }, text)) {
        isFull = true;
        break;
      }
      if (texts.length === 0) doneSeq = seq;
    }
    if (seqs.length < PAGE_SEQS) break;
    after = seqs.at(-1) ?? after;
  }
  if (isSame) store.vectors.setDone(doneSeq);
  if (isFull) return texts;
  for (const { row, item } of newestItems(store)) {
    if (!owners.has(-row) && !add({ of: "item", row }, cut(item.text))) break;
  }
  return texts;
}

function newestItems({ summaries }: SessionStore) {
  const newest = summaries.newest();
  return newest === null ? [] : summaries.placedItems(newest.version);
}

/** An item that is not of the newest version is found by its words, where an earlier version is shown: its place is another's. */
function forgetOldItems(unit: Unit): void {
  const { store } = unit;
  const rows = new Set(newestItems(store).map(({ row }) => row));
  const old = [...store.vectors.owners()].filter((owner) => owner < 0 && !rows.has(-owner));
  store.vectors.forgetItems(old.map((owner) => -owner));
}

/** Tells what a model is given of something as it is now; null if there is nothing to give. */
function textReader(unit: Unit): (owner: VectorOwner) => string | null {
  let items: Map<number, string> | null = null;
  return (owner) => {
    if (owner.of === "message") return turnText(unit, owner.seq);
    items ??= new Map(newestItems(unit.store).map(({ row, item }) => [row, cut(item.text)]));
    return items.get(owner.row) ?? null;
  };
}

function turnText(unit: Unit, seq: Seq): string | null {
  const row = unit.store.messages.bySeq(seq, "told");
  if (row === null || row.role !== "user" || row.content === null || !isTold(row.content)) return null;
  const text = cut(messageText(row.content));
  return text.trim() === "" ? null : text;
}

/** No half of a pair of surrogates. */
function cut(text: string): string {
  return text.length <= MAX_TEXT_LENGTH ? text : text.slice(0, MAX_TEXT_LENGTH).toWellFormed();
}

const DIGEST_DIGITS = 16;

function keyOf(owner: VectorOwner, text: string): string {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, DIGEST_DIGITS);
  return owner.of === "message" ? `m${owner.seq}.${digest}` : `i${owner.row}.${digest}`;
}

function ownerOf(key: string): VectorOwner | null {
  const [, kind, digits] = /^([im])(\d{1,10})\./.exec(key) ?? [];
  if (kind === undefined) return null;
  return kind === "m" ? { of: "message", seq: Number(digits) } : { of: "item", row: Number(digits) };
}
