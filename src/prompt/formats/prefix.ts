import type { Context } from "../../api/context.ts";
import type { Seq } from "../../api/message.ts";
import { messageText } from "../message-text.ts";
import { isBlank, isNoResult, type Turn } from "./turns.ts";

/**
 * What a prompt begins with that later ones begin with as well, byte for byte, until there is another summary, so that a provider's prompt
 * cache keeps hitting. What changes the past ends it all the same: an edit, an erasure, a call's result that comes late, an instruction
 * where a format puts those first, a window that moves because not all fits.
 */
export interface Prefix {
  readonly stableThrough: Seq;
  /** Messages of the format. */
  readonly stableMessages: number;
  readonly stableHash: string;
}

/** A context, and whether older messages were looked for. */
export interface Asked {
  readonly context: Context;
  readonly isQueried: boolean;
}

/** The last message that cannot change any more, where a turn ends that nothing is joined to. */
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

/** The same for a format that joins nothing: the newest question and what follows it may change. */
export function stableBeforeQuestion(asked: Asked): Seq {
  const { messages } = asked.context;
  const end = Math.min(changingFrom(asked), messages[questionIndex(asked.context)]?.seq ?? 0);
  return messages.findLast(({ seq }) => seq < end)?.seq ?? 0;
}

/** A user's words, or nothing that a prompt would show. */
function mayJoin(message: Context["messages"][number] | undefined): boolean {
  return message !== undefined && (message.role === "user" || isBlank(messageText(message.content)));
}

function isQuestion({ role, content }: Context["messages"][number]): boolean {
  return role === "user" && !isBlank(messageText(content));
}

function questionIndex({ messages }: Context): number {
  return messages.findLastIndex(({ role }) => role === "user");
}

/** The first message that the next context may show in another way, or not at all. */
function changingFrom({ context, isQueried }: Asked): Seq {
  const { messages, summary, retrieved } = context;
  const question = questionIndex(context);
  const asked = messages[question]?.seq ?? 0;
  // What a query brings back stands right behind the newest question, and may be joined to what its user said before.
  let said = question;
  while (said > 0 && mayJoin(messages[said - 1])) said -= 1;
  // Where it said nothing that a prompt would show, what stands before is joined to what follows.
  const ends = messages.slice(said, question + 1).some(isQuestion) ? (messages[said]?.seq ?? 0) : 0;
  const looked = isQueried || retrieved.length > 0 ? ends : Number.POSITIVE_INFINITY;
  // Of the newest step so much is there as has room, and of its question.
  const cut = messages.find((message) => message.seq >= asked && message.cut === true)?.seq ?? Number.POSITIVE_INFINITY;
  // A question that only the summary has stands before all else as long as its answer is under way.
  const throughSeq = summary?.throughSeq ?? 0;
  const isCovered = (message: Context["messages"][number]): boolean =>
    message.role === "user" && message.seq <= throughSeq;
  if (messages.some(isCovered)) return 0;
  if (throughSeq > 0 && !messages.some(isQuestion)) return 0;
  return Math.min(looked, cut);
}

/** The first turn since the newest question with a call that may still be answered. */
function openCallSeq(turns: readonly Turn[]): Seq {
  const question = turns.findLastIndex(({ role }) => role === "user");
  const open = turns
    .slice(question + 1)
    .find((turn) => turn.role === "assistant" && turn.calls.some(({ result }) => isNoResult(result)));
  return open?.seq ?? Number.POSITIVE_INFINITY;
}

/** Whether the one ends before the other in every format, however turns are put together. */
function isApart(turn: Turn, next: Turn): boolean {
  if (turn.role === "user") return next.role === "assistant";
  if (turn.role !== "assistant") return false;
  return turn.calls.length > 0 ? next.role === "assistant" : next.role === "user";
}

/**
 * How many turns of an arranged prompt are of messages through one. System text that stands first is of the prefix.
 * @param isHeadSet nothing that a query brings back can come before what stands first
 */
export function turnsThrough(arranged: readonly Turn[], seq: Seq, isHeadSet: boolean): number {
  const after = arranged.findIndex(
    (turn, index) => turn.seq > seq && (index > 0 || turn.role !== "system" || !isHeadSet),
  );
  return after === -1 ? arranged.length : after;
}

/** Makes a hash of lines. */
export type Digest = (lines: Iterable<string>) => string;

/** Writes a message of a format as JSON. */
export type WriteJson = (message: unknown) => string;

/** How a prefix is hashed. */
export interface Hashing {
  readonly digest: Digest;
  readonly writeJson: WriteJson;
}

/** @param system text that stands outside of the messages */
export function hashedPrefix(
  through: Seq,
  system: string | undefined,
  messages: readonly unknown[],
  { digest, writeJson }: Hashing,
): Prefix {
  const stableHash = digest(linesOf(system, messages, writeJson));
  return { stableThrough: through, stableMessages: messages.length, stableHash };
}

/** One after the other: a prompt of files is large. */
function* linesOf(system: string | undefined, messages: readonly unknown[], writeJson: WriteJson): Generator<string> {
  yield JSON.stringify(system ?? null);
  for (const message of messages) yield writeJson(message);
}
