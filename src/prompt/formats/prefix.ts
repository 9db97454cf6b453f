import type { Context } from "../../api/context.ts";
import type { Seq } from "../../api/message.ts";
import { messageText } from "../message-text.ts";
import { isBlank, isNoResult, type Turn } from "./turns.ts";

/**
 * The stable prefix of a prompt: later prompts begin with the same bytes until the next summary, so the provider's
 * prompt cache stays valid. Changes to the past end it earlier: an edit, an erasure, a late tool result, an instruction
 * in a format that moves instructions to the top, or a window that moves because not everything fits.
 */
export interface Prefix {
  readonly stableThrough: Seq;
  /** Number of messages in the format. */
  readonly stableMessages: number;
  readonly stableHash: string;
}

/** A context, and whether the caller gave a query. */
export interface Asked {
  readonly context: Context;
  readonly isQueried: boolean;
}

/** The last message that cannot change any more and that ends a turn which no later turn can be merged with. */
export function stableThrough(turns: readonly Turn[], asked: Asked): Seq {
  const end = Math.min(changingFrom(asked), openCallSeq(turns));
  let stable = 0;
  for (const [index, turn] of turns.entries()) {
    const next = turns[index + 1];
    if (next === undefined || turn.seq >= end) break;
    if (turn.seq < next.seq && isApart(turn, next)) stable = turn.seq;
  }
  return stable;
}

/** The same for formats that merge nothing. The newest question and everything after it may change. */
export function stableBeforeQuestion(asked: Asked): Seq {
  const { messages } = asked.context;
  const end = Math.min(changingFrom(asked), messages[questionIndex(asked.context)]?.seq ?? 0);
  return messages.findLast(({ seq }) => seq < end)?.seq ?? 0;
}

/** Whether it is a user message, or a message that a prompt leaves out because it is blank. */
function mayJoin(message: Context["messages"][number] | undefined): boolean {
  return message !== undefined && (message.role === "user" || isBlank(messageText(message.content)));
}

function isQuestion({ role, content }: Context["messages"][number]): boolean {
  return role === "user" && !isBlank(messageText(content));
}

function questionIndex({ messages }: Context): number {
  return messages.findLastIndex(({ role }) => role === "user");
}

/** The first message that the next context may show differently or leave out. */
function changingFrom({ context, isQueried }: Asked): Seq {
  const { messages, summary, retrieved } = context;
  const question = questionIndex(context);
  const asked = messages[question]?.seq ?? 0;
  // Retrieved messages come right after the newest question, and may be merged with the user messages before it.
  let said = question;
  while (said > 0 && mayJoin(messages[said - 1])) said -= 1;
  // If those messages are all blank, the message before them is merged with what follows.
  const ends = messages.slice(said, question + 1).some(isQuestion) ? (messages[said]?.seq ?? 0) : 0;
  const looked = isQueried || retrieved.length > 0 ? ends : Number.POSITIVE_INFINITY;
  // How much of the newest step and its question is shown depends on the room, so cut messages may change.
  const cut = messages.find((message) => message.seq >= asked && message.cut === true)?.seq ?? Number.POSITIVE_INFINITY;
  // A question that only the summary covers is put before everything else, but only while its answer is in progress.
  const throughSeq = summary?.throughSeq ?? 0;
  const isCovered = (message: Context["messages"][number]): boolean =>
    message.role === "user" && message.seq <= throughSeq;
  if (messages.some(isCovered)) return 0;
  if (throughSeq > 0 && !messages.some(isQuestion)) return 0;
  return Math.min(looked, cut);
}

/** The first turn after the newest question with a call that may still be answered. */
function openCallSeq(turns: readonly Turn[]): Seq {
  const question = turns.findLastIndex(({ role }) => role === "user");
  const open = turns
    .slice(question + 1)
    .find((turn) => turn.role === "assistant" && turn.calls.some(({ result }) => isNoResult(result)));
  return open?.seq ?? Number.POSITIVE_INFINITY;
}

/** Whether no format merges these two turns. */
function isApart(turn: Turn, next: Turn): boolean {
  if (turn.role === "user") return next.role === "assistant";
  if (turn.role !== "assistant") return false;
  return turn.calls.length > 0 ? next.role === "assistant" : next.role === "user";
}

/**
 * The number of arranged turns that come from messages up to `seq`. A leading system turn counts as well.
 * @param isHeadSet true if no retrieved message can precede the first turn
 */
export function turnsThrough(arranged: readonly Turn[], seq: Seq, isHeadSet: boolean): number {
  const after = arranged.findIndex(
    (turn, index) => turn.seq > seq && (index > 0 || turn.role !== "system" || !isHeadSet),
  );
  return after === -1 ? arranged.length : after;
}

/** Hashes lines. */
export type Digest = (lines: Iterable<string>) => string;

/** Serializes a message of a format as JSON. */
export type WriteJson = (message: unknown) => string;

/** The functions that hash a prefix. */
export interface Hashing {
  readonly digest: Digest;
  readonly writeJson: WriteJson;
}

/** @param system system text outside of the messages */
export function hashedPrefix(
  through: Seq,
  system: string | undefined,
  messages: readonly unknown[],
  { digest, writeJson }: Hashing,
): Prefix {
  const stableHash = digest(linesOf(system, messages, writeJson));
  return { stableThrough: through, stableMessages: messages.length, stableHash };
}

/** A generator, because a prompt with files is large. */
function* linesOf(system: string | undefined, messages: readonly unknown[], writeJson: WriteJson): Generator<string> {
  yield JSON.stringify(system ?? null);
  for (const message of messages) yield writeJson(message);
}
