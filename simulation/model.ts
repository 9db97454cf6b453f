import type { AppendRequest } from "../src/api/append.ts";
import type { Content, MessagePatch, NewMessage } from "../src/api/message.ts";
import type { Metadata, SessionSettings } from "../src/api/session.ts";
import { canonicalJson, type Json } from "../src/api/text.ts";
import type { MessageLine } from "../src/api/transfer.ts";
import { secretsOf } from "./chat-content.ts";

/** What a session has to be, according to the promises: a list of messages and plain rules. Nothing here is shared with src/session. */

export interface ModelMessage {
  readonly seq: number;
  /** The message that it follows; 0 for none. */
  readonly afterSeq: number;
  /** It was appended with an explicit predecessor other than the one before it. */
  readonly isPlaced: boolean;
  readonly id: string;
  readonly role: string;
  readonly author: string | undefined;
  /** What an append of the same id is compared with: the first content, or for an id of the server's the current one. Null once erased. */
  readonly first: string | null;
  /** null once erased. */
  readonly content: Content | null;
  readonly metadata: Metadata | undefined;
  readonly isPinned: boolean;
  readonly isEdited: boolean;
  /** The comparison follows each edit, because the first text is unknown or nobody can repeat it. */
  readonly isComparedAsSaid: boolean;
  /** ms since 1970. */
  readonly createdAt: number;
  /** As the client sent it, to send it again. */
  readonly sent: NewMessage;
}

export interface ModelSession {
  /** `copying`: an incomplete fork or import; `expired`: it keeps the log that it had, for what the archive may contain of it. */
  readonly status: "active" | "copying" | "expired";
  readonly log: readonly ModelMessage[];
  /** The last message of the active branch. */
  readonly headSeq: number;
  /** No message was ever off the active branch. */
  readonly isSole: boolean;
  readonly metadata: Metadata;
  readonly settings: SessionSettings;
}

/** The messages that lead to a message, and the message itself. */
export function pathTo(log: readonly ModelMessage[], seq: number): Set<number> {
  const path = new Set<number>();
  for (let at = seq; at > 0; at = log[at - 1]?.afterSeq ?? 0) path.add(at);
  return path;
}

/** A log that came from elsewhere, and its active branch. */
export function ledTo(log: readonly ModelMessage[], headSeq: number): Pick<ModelSession, "log" | "headSeq" | "isSole"> {
  const isOneLine = log.every((message) => message.afterSeq === message.seq - 1);
  return { log, headSeq, isSole: isOneLine && headSeq === log.length };
}

/** Why clients cannot use a session; null if they can. */
export function refusalOf(session: ModelSession | null): string | null {
  if (session === null) return "session_not_found";
  if (session.status === "active") return null;
  return session.status === "expired" ? "session_expired" : "session_not_ready";
}

/** The answer to an append. */
export type AppendAnswer =
  | {
      readonly ok: true;
      readonly messages: { id: string; seq: number; created: boolean; erased?: true }[];
      readonly headSeq: number;
    }
  | { readonly ok: false; readonly code: string };

/** An event and its effect. */
export interface Transition<Answer> {
  readonly after: ModelSession | null;
  readonly answer: Answer;
  /** Texts that must be gone for good. */
  readonly retired: readonly { readonly seq: number; readonly secret: string }[];
}

function saidBy({ role, author, content, occurredAt }: NewMessage): string {
  const at = occurredAt === undefined ? null : Date.parse(occurredAt);
  return canonicalJson({ role, author: author ?? null, content: content as Json, at });
}

export function bornOf(creation: { metadata?: Metadata; settings?: SessionSettings }): ModelSession {
  return {
    status: "active",
    log: [],
    headSeq: 0,
    isSole: true,
    metadata: creation.metadata ?? {},
    settings: creation.settings ?? {},
  };
}

/** Which message an id of the server's names; null for a client's id. */
function reservedSeqOf(id: string): number | null {
  const [, seq] = /^seq-([1-9][0-9]*)$/.exec(id) ?? [];
  return seq === undefined ? null : Number(seq);
}

export function appendTo(
  before: ModelSession | null,
  request: AppendRequest,
  creation: { metadata?: Metadata; settings?: SessionSettings } | null,
  now: number,
): Transition<AppendAnswer> {
  const unchanged = { after: before, retired: [] };
  const refusal = refusalOf(before);
  if (refusal !== null && (before !== null || creation === null)) {
    return { ...unchanged, answer: { ok: false, code: refusal } };
  }
  const session = before ?? bornOf(creation ?? {});
  const log = [...session.log];
  let { headSeq, isSole } = session;
  const answers: { id: string; seq: number; created: boolean; erased?: true }[] = [];
  for (const message of request.messages) {
    const known = message.id === undefined ? undefined : session.log.find(({ id }) => id === message.id);
    if (known !== undefined) {
      const { afterSeq } = message;
      const isPlacedAlike = afterSeq === undefined ? !known.isPlaced : afterSeq === known.afterSeq;
      if (known.first !== null && (known.first !== saidBy(message) || !isPlacedAlike)) {
        return { ...unchanged, answer: { ok: false, code: "message_conflict" } };
      }
      answers.push({
        id: known.id,
        seq: known.seq,
        created: false,
        ...(known.first === null ? { erased: true as const } : {}),
      });
      continue;
    }
    const seq = log.length + 1;
    const id = message.id ?? `seq-${seq}`;
    // A request that took long may use ids of an earlier epoch: ids of the server's are taken, or still to come.
    const reserved = reservedSeqOf(id);
    if (reserved !== null && reserved <= session.log.length) {
      return { ...unchanged, answer: { ok: false, code: "message_conflict" } };
    }
    if (reserved !== null && reserved !== seq) {
      return { ...unchanged, answer: { ok: false, code: "validation_failed" } };
    }
    const { afterSeq = headSeq } = message;
    if (afterSeq >= seq) return { ...unchanged, answer: { ok: false, code: "validation_failed" } };
    if (afterSeq !== seq - 1) isSole = false;
    headSeq = seq;
    log.push({
      seq,
      afterSeq,
      isPlaced: message.afterSeq !== undefined && afterSeq !== seq - 1,
      id,
      role: message.role,
      author: message.author,
      first: saidBy(message),
      content: message.content,
      metadata: message.metadata,
      isPinned: message.pinned === true,
      isEdited: false,
      isComparedAsSaid: reserved !== null,
      createdAt: now,
      sent: { ...message, id },
    });
    answers.push({ id, seq, created: true });
  }
  const isNews = log.length > session.log.length;
  if (isNews && request.expectedHeadSeq !== undefined && request.expectedHeadSeq !== session.headSeq) {
    return { ...unchanged, answer: { ok: false, code: "head_seq_mismatch" } };
  }
  const after = { ...session, log, headSeq, isSole };
  return { after, retired: [], answer: { ok: true, messages: answers, headSeq } };
}

export function switchTo(before: ModelSession | null, headSeq: number): Transition<string> {
  const refusal = refusalOf(before);
  if (before === null || refusal !== null) return { after: before, answer: refusal ?? "ok", retired: [] };
  if (headSeq > before.log.length) return { after: before, answer: "validation_failed", retired: [] };
  if (headSeq === before.headSeq) return { after: before, answer: "ok", retired: [] };
  return { after: { ...before, headSeq, isSole: false }, answer: "ok", retired: [] };
}

export function edit(before: ModelSession | null, id: string, patch: MessagePatch): Transition<string> {
  const old = before?.log.find((message) => message.id === id);
  const refusal = refusalOf(before);
  if (before === null || refusal !== null) return { after: before, answer: refusal ?? "ok", retired: [] };
  if (old === undefined) return { after: before, answer: "message_not_found", retired: [] };
  if (old.content === null) return { after: before, answer: "message_erased", retired: [] };
  const { pinned: isPinned = old.isPinned } = patch;
  if (patch.content === undefined && patch.metadata === undefined) {
    const log = before.log.map((message) => (message === old ? { ...old, isPinned } : message));
    return { after: { ...before, log }, answer: "ok", retired: [] };
  }
  const content = patch.content ?? old.content;
  const metadata = patch.metadata ?? old.metadata;
  const kept = new Set(secretsOf([content, metadata]));
  const now: Partial<ModelMessage> = old.isComparedAsSaid
    ? { first: saidBy({ ...old.sent, content }), sent: { ...old.sent, content } }
    : {};
  return {
    after: {
      ...before,
      log: before.log.map((message) =>
        message === old ? { ...old, content, metadata, isPinned, isEdited: true, ...now } : message,
      ),
    },
    answer: "ok",
    retired: secretsOf([old.content, old.metadata])
      .filter((secret) => !kept.has(secret))
      .map((secret) => ({ seq: old.seq, secret })),
  };
}

/** What is left of a message. */
export function erasedOf(message: ModelMessage): ModelMessage {
  return { ...message, author: undefined, first: null, content: null, metadata: undefined, isPinned: false };
}

/** The log without the text of some messages, and that text. */
export function withoutSeqs(
  session: ModelSession,
  seqs: ReadonlySet<number>,
): Pick<Transition<null>, "retired"> & { readonly after: ModelSession } {
  return {
    after: { ...session, log: session.log.map((message) => (seqs.has(message.seq) ? erasedOf(message) : message)) },
    retired: session.log
      .filter(({ seq }) => seqs.has(seq))
      .flatMap(({ seq, content, metadata }) => secretsOf([content, metadata]).map((secret) => ({ seq, secret }))),
  };
}

export function eraseOne(before: ModelSession | null, id: string): Transition<string> {
  const refusal = refusalOf(before);
  if (before === null || refusal !== null) return { after: before, answer: refusal ?? "ok", retired: [] };
  const old = before.log.find((message) => message.id === id);
  if (old === undefined) return { after: before, answer: "message_not_found", retired: [] };
  return { ...withoutSeqs(before, new Set([old.seq])), answer: "ok" };
}

export function eraseAll(before: ModelSession | null): Transition<string> {
  if (before === null) return { after: null, answer: "session_not_found", retired: [] };
  return {
    after: null,
    answer: "ok",
    retired: before.log.flatMap(({ content, metadata }) =>
      secretsOf([content, metadata]).map((secret) => ({ seq: 0, secret })),
    ),
  };
}

/** A line of an export after its import. */
export function importedMessage(line: MessageLine): ModelMessage {
  const { seq, id, role, author, metadata, occurredAt } = line;
  const content = line.content ?? null;
  const sent = {
    id,
    role,
    ...(author === undefined ? {} : { author }),
    content: content ?? "",
    ...(metadata === undefined ? {} : { metadata }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
  };
  return {
    seq,
    afterSeq: line.afterSeq ?? seq - 1,
    isPlaced: false,
    id,
    role,
    author,
    first: content === null ? null : saidBy(sent),
    content,
    metadata,
    isPinned: line.pinned === true,
    isEdited: line.editedAt !== undefined,
    isComparedAsSaid: true,
    createdAt: Date.parse(line.createdAt),
    sent,
  };
}
