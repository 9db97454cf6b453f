import { createHmac } from "node:crypto";
import { type Fault, type Outcome, ThreadkeepError } from "../../api/errors.ts";
import { MAX_BRANCHES, MAX_BYTES_PER_SESSION, MAX_MESSAGES_PER_SESSION } from "../../api/limits.ts";
import type { AppendedMessage, Content, NewMessage, Seq } from "../../api/message.ts";
import { byteLength, canonicalJson, type Json } from "../../api/text.ts";
import { areSameBytes } from "../../lib/same-bytes.ts";
import { contentTokens, messageCost } from "../../prompt/message-text.ts";
import { type EarlierRow, type MessageRow, readSaidAt } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { noteBranch } from "./feed-changes.ts";

/**
 * Ids of this form are made by the server for messages that came without one. They contain the seq, so no index needs
 * to store them.
 */
const SERVER_ID = /^seq-([1-9][0-9]{0,8})$/;

export function serverId(seq: Seq): string {
  return `seq-${seq}`;
}

/** The seq in an id that the server made; null if it is a client's id. */
export function seqOfServerId(id: string): Seq | null {
  const match = SERVER_ID.exec(id);
  return match === null ? null : Number(match[1]);
}

export function messageId(row: Pick<MessageRow, "clientId" | "seq">): string {
  return row.clientId ?? serverId(row.seq);
}

/** What is compared to tell whether two messages are the same. */
interface Said {
  readonly role: string;
  readonly author: string | null;
  readonly content: Content;
  readonly occurredAt: number | null;
}

function said(message: NewMessage): Said {
  return {
    role: message.role,
    author: message.author ?? null,
    content: message.content,
    // Only the time counts: the same time with another offset is the same message.
    occurredAt: readSaidAt(message.occurredAt).occurredAt,
  };
}

/** In bytes: half of the hash is enough, because the key is secret, and each message stores one. */
const HASH_BYTES = 16;

/**
 * A keyed hash (HMAC-SHA-256) of a message as it was first appended. It recognises a retry even after the message was
 * edited, and without the key nobody can check a guess of an erased text against it.
 */
function hashOf(message: Said, key: Uint8Array): Uint8Array {
  const { role, author, content, occurredAt } = message;
  const canonical = canonicalJson({ role, author, content: content as Json, occurredAt });
  return createHmac("sha256", key).update(canonical).digest().subarray(0, HASH_BYTES);
}

function isSame(row: EarlierRow, message: NewMessage, key: Uint8Array): boolean {
  const hash = hashOf(said(message), key);
  if (row.hash !== null) return areSameBytes(row.hash, hash);
  if (row.content === null) return true;
  const { role, author, content, occurredAt } = row;
  return areSameBytes(hashOf({ role, author, content, occurredAt }, key), hash);
}

/**
 * Whether a retry follows the same message as the original. If it names no `afterSeq`, neither may the original have
 * done so: both then follow whatever was the head.
 */
function isPlacedAlike({ branches }: SessionStore, { seq, erasedAt }: EarlierRow, { afterSeq }: NewMessage): boolean {
  if (erasedAt !== null) return true;
  return afterSeq === undefined ? !branches.isNamed(seq) : afterSeq === (branches.afterOf(seq) ?? seq - 1);
}

export interface Appended {
  readonly messages: AppendedMessage[];
  /** The newest message of the active branch. */
  readonly headSeq: Seq;
  readonly createdCount: number;
  /** The append began another branch, which is active now: see `settleBranch`. */
  readonly isBranched: boolean;
}

/** The ends of the log and of its active branch. */
interface End {
  /** The newest message of the log. */
  readonly lastSeq: Seq;
  readonly headSeq: Seq;
}

/** A message to insert, with its seq and the message that it follows. */
interface Insert {
  readonly message: NewMessage;
  readonly seq: Seq;
  readonly afterSeq: Seq;
}

/** A message in the log that has the id of one in the request, and how the two compare. */
interface Earlier {
  readonly row: EarlierRow;
  readonly saysSame: boolean;
  readonly followsSame: boolean;
}

/** What to insert, and the response for all messages of the request. */
interface Sorted {
  readonly answers: AppendedMessage[];
  readonly inserts: readonly Insert[];
}

/**
 * Decides what an append inserts. Ids that exist already are looked at before anything else is checked, so that a
 * client whose response was lost can repeat the request.
 * @param findEarlier finds the message in the log with the same id
 */
function sortOut(
  messages: readonly NewMessage[],
  expectedHeadSeq: Seq | undefined,
  { lastSeq, headSeq }: End,
  findEarlier: (message: NewMessage, reservedSeq: Seq | null) => Earlier | null,
): Outcome<Sorted> {
  const answers: AppendedMessage[] = [];
  const inserts: Insert[] = [];
  let nextSeq = lastSeq + 1;
  let follows = headSeq;
  for (const [index, message] of messages.entries()) {
    const reservedSeq = message.id === undefined ? null : seqOfServerId(message.id);
    const earlier = findEarlier(message, reservedSeq);
    if (message.id !== undefined && earlier !== null) {
      const { row, saysSame, followsSame } = earlier;
      if (messageId(row) !== message.id || !saysSame || !followsSame) {
        const difference = saysSame ? "that follows another message" : "with other content";
        return {
          ok: false,
          fault: {
            code: "message_conflict",
            detail: `Message ${index} has the id of an earlier message ${difference}. Give it an id of its own, or edit the earlier one.`,
            errors: [{ path: `/messages/${index}/id`, detail: `is taken by seq ${row.seq}` }],
            facts: { seq: row.seq },
          },
        };
      }
      answers.push({
        id: message.id,
        seq: row.seq,
        created: false,
        ...(row.erasedAt === null ? {} : { erased: true as const }),
      });
      continue;
    }
    if (reservedSeq !== null && reservedSeq !== nextSeq) {
      return {
        ok: false,
        fault: {
          code: "validation_failed",
          detail: `Ids like "seq-12" are made by the server. Choose another, or leave the id out.`,
          errors: [{ path: `/messages/${index}/id`, detail: "has the form of the server's own ids" }],
        },
      };
    }
    const { afterSeq = follows } = message;
    if (afterSeq >= nextSeq) {
      return {
        ok: false,
        fault: {
          code: "validation_failed",
          detail: `Message ${index} is to follow message ${afterSeq}, and the newest is ${nextSeq - 1}. Name a message that is there, or leave afterSeq out.`,
          errors: [{ path: `/messages/${index}/afterSeq`, detail: `is past the newest message, ${nextSeq - 1}` }],
          facts: { lastSeq },
        },
      };
    }
    inserts.push({ message, seq: nextSeq, afterSeq });
    answers.push({ id: message.id ?? serverId(nextSeq), seq: nextSeq, created: true });
    follows = nextSeq;
    nextSeq += 1;
  }
  if (inserts.length > 0 && expectedHeadSeq !== undefined && expectedHeadSeq !== headSeq) {
    return {
      ok: false,
      fault: {
        code: "head_seq_mismatch",
        detail: `The newest message${headSeq === lastSeq ? "" : " of the active branch"} is ${headSeq}, not ${expectedHeadSeq}. Read the messages since, and append again.`,
        errors: [{ path: "/expectedHeadSeq", detail: `is not the current ${headSeq}` }],
        facts: { headSeq },
      },
    };
  }
  return { ok: true, value: { answers, inserts } };
}

/** Why a new session cannot begin with these messages; null if it can. Reads and writes nothing. */
export function firstAppendFault(messages: readonly NewMessage[], expectedHeadSeq: Seq | undefined): Fault | null {
  const sorted = sortOut(messages, expectedHeadSeq, { lastSeq: 0, headSeq: 0 }, () => null);
  return sorted.ok ? null : sorted.fault;
}

/**
 * Why a session cannot hold so much; null if it can.
 * @param totalBytes bytes of content JSON
 */
export function fullFault(headSeq: Seq, totalBytes: number): Fault | null {
  if (headSeq <= MAX_MESSAGES_PER_SESSION && totalBytes <= MAX_BYTES_PER_SESSION) return null;
  return {
    code: "session_full",
    detail: `A session holds at most ${MAX_MESSAGES_PER_SESSION} messages and ${MAX_BYTES_PER_SESSION} bytes. Start a new session for what follows.`,
    facts: { maxMessages: MAX_MESSAGES_PER_SESSION, maxBytes: MAX_BYTES_PER_SESSION },
  };
}

/** Why a session cannot have so many branches; null if it can. */
function branchesFault(branches: number): Fault | null {
  if (branches <= MAX_BRANCHES) return null;
  return {
    code: "session_full",
    detail: `A session holds at most ${MAX_BRANCHES} branches. Append what follows the head of the active branch, or fork the session through the message that this one is to follow, and go on there.`,
    facts: { maxBranches: MAX_BRANCHES },
  };
}

/**
 * Appends those messages that are not in the log yet, in the caller's transaction.
 * @returns the response for all messages of the request
 * @throws ThreadkeepError if one is refused: the caller's transaction must then be rolled back
 */
export function appendMessages(
  unit: Unit,
  messages: readonly NewMessage[],
  expectedHeadSeq: Seq | undefined,
): Appended {
  const { store } = unit;
  const newest = store.messages.head();
  const lastSeq = newest?.seq ?? 0;
  const active = store.branches.active(lastSeq);
  let appendedCost = newest?.appendedCost ?? 0;
  let appendedBytes = newest?.appendedBytes ?? 0;

  const clientIds = messages.flatMap((message) =>
    message.id === undefined || seqOfServerId(message.id) !== null ? [] : [message.id],
  );
  const known = new Map(store.messages.earlier(clientIds).map((row) => [row.clientId, row] as const));
  const sorted = sortOut(messages, expectedHeadSeq, { lastSeq, headSeq: active.headSeq }, (message, reservedSeq) => {
    const row =
      reservedSeq === null
        ? known.get(message.id ?? "")
        : reservedSeq <= lastSeq
          ? store.messages.hashedBySeq(reservedSeq)
          : null;
    if (row === undefined || row === null) return null;
    const saysSame = isSame(row, message, unit.session.hashKey);
    return { row, saysSame, followsSame: isPlacedAlike(store, row, message) };
  });
  if (!sorted.ok) throw new ThreadkeepError(sorted.fault);
  const { answers, inserts } = sorted.value;
  if (inserts.length === 0) {
    return { messages: answers, headSeq: active.headSeq, createdCount: 0, isBranched: false };
  }
  const begun = inserts.filter(({ seq, afterSeq }) => afterSeq < seq - 1).length;
  const tooMany = begun === 0 ? null : branchesFault(store.branches.count + begun);
  if (tooMany !== null) throw new ThreadkeepError(tooMany);
  store.branches.follow(null);
  let branch = active;
  let isBranched = false;
  let headSeq = lastSeq;
  for (const { message, seq, afterSeq } of inserts) {
    if (afterSeq !== branch.headSeq) {
      noteBranch(unit, branch, store.branches.through(afterSeq));
      isBranched = true;
    }
    const contentJson = JSON.stringify(message.content);
    const tokens = contentTokens(message.content);
    appendedCost += messageCost({ tokens, author: message.author });
    appendedBytes += byteLength(contentJson);
    headSeq = seq;
    const isClientId = message.id !== undefined && seqOfServerId(message.id) === null;
    store.messageWriter.insert(
      {
        role: message.role,
        author: message.author ?? null,
        content: message.content,
        metadata: message.metadata ?? null,
        seq,
        afterSeq,
        clientId: isClientId ? (message.id ?? null) : null,
        ...readSaidAt(message.occurredAt),
        createdAt: unit.now,
        editedAt: null,
        erasedAt: null,
        isPinned: message.pinned === true,
        // No hash without a client's id: a message whose id the server makes cannot be repeated under that id, except
        // after an import, which compares contents.
        hash: message.id === undefined ? null : hashOf(said(message), unit.session.hashKey),
        tokens,
        totalCost: appendedCost,
        totalBytes: appendedBytes,
      },
      contentJson,
      message.afterSeq !== undefined,
    );
    branch = store.branches.active(seq);
  }
  const fault = fullFault(headSeq, appendedBytes + (newest === null ? 0 : newest.totalBytes - newest.appendedBytes));
  if (fault !== null) throw new ThreadkeepError(fault);
  return { messages: answers, headSeq, createdCount: inserts.length, isBranched };
}
