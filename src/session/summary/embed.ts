import { createHash } from "node:crypto";
import type { QueryMeaning } from "../../api/embedding.ts";
import type { Seq } from "../../api/message.ts";
import { LEASE_MS } from "../../lib/retry-policy.ts";
import { textOfItem, textOfTurn } from "../../prompt/meaning/texts.ts";
import { isTold, messageText } from "../../prompt/message-text.ts";
import { callOff, isHeld, mayBeListed, newJob } from "../outbox/index.ts";
import type { OwnedVector, VectorOwner } from "../search/index.ts";
import type { EmbedJob, JobRow } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { isOverBudget } from "./run.ts";

/**
 * Embedding: which texts of a session get a vector, and how vectors are saved. These texts are the messages with role
 * `user` and the items of the newest summary version. A job of kind `embed` is scheduled with each summary; when it
 * completes, all these texts have a vector.
 */

/**
 * How many texts one call of the model embeds. With `MAX_CALL_LENGTH` it limits the memory of a call: 256 KB of text,
 * and 1 MB for the longest vectors.
 */
const MAX_TEXTS = 64;
/** UTF-16 units of all texts of one call. The first text is always included, whatever its length. */
const MAX_CALL_LENGTH = 128 * 1024;
/** How many messages of users are read in one query. */
const PAGE_SEQS = 1_000;
/**
 * The consumer that saved the summary continues with its vectors at once. The job is sent to the queue only if it has
 * not completed after this time.
 */
const HEAD_START_MS = 60_000;

/** A text that a consumer has to embed. */
interface TextToEmbed {
  /**
   * Names the message or item, and contains a digest of the text. A vector that arrives after the text changed is
   * recognized by it, and ignored.
   */
  readonly key: string;
  readonly text: string;
}

/** Tells the consumer of an embed job what to do next. */
export type EmbeddingStep =
  /** Embed `texts`, and save the vectors with `saveVectors` under `lease`. */
  | {
      readonly next: "call";
      readonly lease: string;
      readonly texts: readonly TextToEmbed[];
      /** The session has used up its `summarizerTokensPerDay` for today (UTC). */
      readonly isOverBudget: boolean;
    }
  /** Another consumer holds the lease. */
  | { readonly next: "wait" }
  /** The job is over. `hasFailed`: operators may have it on their list of failed jobs. */
  | { readonly next: "done"; readonly hasFailed: boolean };

export const NOTHING_TO_EMBED: EmbeddingStep = { next: "done", hasFailed: false };
const HELD: EmbeddingStep = { next: "wait" };

/** A vector, with the key of the text that it was made from. */
export interface KeyedVector {
  readonly key: string;
  readonly vector: Float32Array;
}

/**
 * Schedules the job that makes the missing vectors. A job that had failed becomes pending again.
 * @param isBegun whether the caller continues with the job itself, so that it is sent to the queue only after a delay
 */
export function scheduleEmbedding(unit: Unit, isBegun: boolean): EmbedJob {
  const { store, now } = unit;
  const open = store.jobs.first("embed");
  const nextSendAt = isBegun ? now + HEAD_START_MS : now;
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  const job: EmbedJob =
    open === null
      ? newJob(unit, { kind: "embed", goal: { is: "embed" } }, { throughSeq, nextSendAt })
      : {
          ...open,
          goal: { is: "embed" },
          state: "pending",
          throughSeq,
          failures: open.state === "failed" ? 0 : open.failures,
          // While the provider fails, the backoff stays in effect.
          nextSendAt: isHeld(open, now) || open.failures > 0 ? Math.max(open.nextSendAt, now) : nextSendAt,
        };
  store.jobs.put(job);
  return job;
}

/**
 * Whether a query shows that the session's vectors are of another model than the configured one, and nobody renews them
 * yet. A job that failed for good is left alone: an operator may retry it, or the next summary.
 */
export function needsNewVectors({ store }: Unit, asked: QueryMeaning | undefined): boolean {
  if (asked === undefined || "without" in asked) return false;
  const state = store.vectors.state();
  return state !== null && state.model !== asked.model && store.jobs.first("embed") === null;
}

/** Calls off a failed embed job before the session expires. */
export function callOffEmbedding(unit: Unit): void {
  const job = unit.store.jobs.first("embed");
  if (job?.state === "failed") callOff(unit, job);
}

/**
 * The first call of a consumer that received the job: takes the lease and returns the texts to embed.
 * @param model the model that makes the vectors; null if embedding is switched off, which ends the job
 */
export function beginEmbedding(unit: Unit, jobId: string, model: string | null): EmbeddingStep {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job?.kind !== "embed" || job.state !== "pending") return NOTHING_TO_EMBED;
  if (isHeld(job, unit.now)) return HELD;
  if (model === null || job.goal.is === "called-off") {
    store.jobs.delete(job.id);
    return { next: "done", hasFailed: mayBeListed(job) };
  }
  return handOutTexts(unit, job, model);
}

/**
 * Saves the vectors of the texts that were handed out under `lease`, and returns the next texts. A vector whose text
 * changed meanwhile is ignored.
 */
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

/** The model answered, so earlier failures no longer count. */
function withoutFailures(job: JobRow): JobRow {
  return { ...job, failures: 0, sends: 0 };
}

/** Takes the lease and returns the next texts; ends the job if there are none. */
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

/** The next texts that have no vector by `model`: messages first, oldest first, then items. */
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
  // Every message up to this one has a vector, or has no text.
  let doneSeq: Seq = isSame ? state.doneSeq : 0;
  let isFull = false;
  for (let after = doneSeq; !isFull;) {
    const seqs = store.messages.userSeqs(after, PAGE_SEQS);
    for (const seq of seqs) {
      const text = owners.has(seq) ? null : messageTextToEmbed(unit, seq);
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
    if (!owners.has(-row) && !add({ of: "item", row }, textOfItem(item.text))) break;
  }
  return texts;
}

/** The items of the newest summary version, each with its row number. */
function newestItems({ summaries }: SessionStore) {
  const newest = summaries.newest();
  return newest === null ? [] : summaries.placedItems(newest.version);
}

/**
 * Deletes the vectors of items that the newest version no longer contains. Where a context shows an earlier version,
 * its items are found by their words alone.
 */
function forgetOldItems(unit: Unit): void {
  const { store } = unit;
  const rows = new Set(newestItems(store).map(({ row }) => row));
  const old = [...store.vectors.owners()].filter((owner) => owner < 0 && !rows.has(-owner));
  store.vectors.forgetItems(old.map((owner) => -owner));
}

/**
 * Returns a function that reads the current text of a message or item, as it would be given to the model; null if it
 * has none.
 */
function textReader(unit: Unit): (owner: VectorOwner) => string | null {
  let items: Map<number, string> | null = null;
  return (owner) => {
    if (owner.of === "message") return messageTextToEmbed(unit, owner.seq);
    items ??= new Map(newestItems(unit.store).map(({ row, item }) => [row, textOfItem(item.text)]));
    return items.get(owner.row) ?? null;
  };
}

/** The text of a user's message as it is given to the model; null for other roles, and if there is no text. */
function messageTextToEmbed(unit: Unit, seq: Seq): string | null {
  const row = unit.store.messages.bySeq(seq, "told");
  if (row === null || row.role !== "user" || row.content === null || !isTold(row.content)) return null;
  const text = messageText(row.content);
  return text.trim() === "" ? null : textOfTurn(text, row.author);
}

const DIGEST_DIGITS = 16;

/** The key of a text: `m` and a seq, or `i` and an item's row, then the first digits of the text's SHA-256. */
function keyOf(owner: VectorOwner, text: string): string {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, DIGEST_DIGITS);
  return owner.of === "message" ? `m${owner.seq}.${digest}` : `i${owner.row}.${digest}`;
}

function ownerOf(key: string): VectorOwner | null {
  const [, kind, digits] = /^([im])(\d{1,10})\./.exec(key) ?? [];
  if (kind === undefined) return null;
  return kind === "m" ? { of: "message", seq: Number(digits) } : { of: "item", row: Number(digits) };
}
