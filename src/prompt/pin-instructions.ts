import type { Context } from "../api/context.ts";
import type { Content, Seq, TokenCount } from "../api/message.ts";
import { canonicalJson, type Json } from "../api/text.ts";
import type { LogMessage } from "./context.ts";
import { cutContent } from "./cut-content.ts";
import { nameMedia } from "./media.ts";
import { contentTokens, messageCost, toolIds } from "./message-text.ts";
import { toContextMessage } from "./window.ts";

/**
 * Instructions are valid for as long as the session lives: messages of the roles `system` and `developer`, and messages
 * that a client has pinned, stay in the context verbatim and in their role.
 */

/** Share of the budget for instructions from before the window. */
const INSTRUCTIONS_SHARE = 0.25;
/** With less room, a cut instruction would not be understandable. */
const MIN_CUT_TOKENS = 40;

export interface LeftInstruction {
  readonly seq: Seq;
  readonly cost: TokenCount;
}

/** An older message with the same content as a newer one, which represents it. */
export interface Repeat {
  readonly seq: Seq;
  readonly newerSeq: Seq;
}

export interface Pinned {
  /** Oldest first. */
  readonly messages: Context["messages"];
  readonly tokens: TokenCount;
  readonly seqs: readonly Seq[];
  /** Instructions that do not fit into their share, and the missing tokens of those that are cut. */
  readonly left: readonly LeftInstruction[];
  /** Older repetitions; they are in the context only if the window contains them. */
  readonly repeats: readonly Repeat[];
  /** Instructions that are in the context, but not verbatim. */
  readonly cutSeqs: readonly Seq[];
}

export const NOTHING_PINNED: Pinned = { messages: [], tokens: 0, seqs: [], left: [], repeats: [], cutSeqs: [] };

/** The fields of a message that are needed to choose instructions. */
export interface Instruction extends Pick<LogMessage, "seq" | "role" | "content"> {
  readonly author?: string | null | undefined;
}

/**
 * Chooses the instructions that fit into their share of the budget, newest first; repetitions are chosen once.
 * @param earlier the instructions, newest first
 * @param takes tokens that an instruction really takes of the room that it is given: if it is cut, it may take less,
 *   because a file is either whole or left out
 */
export function chooseInstructions<T extends Instruction>(
  earlier: Iterable<T>,
  costOf: (instruction: T) => TokenCount,
  { budget, hereSeqs }: { readonly budget: TokenCount; readonly hereSeqs: readonly Seq[] },
  takes: (instruction: T, room: TokenCount) => TokenCount = (_, room) => room,
): {
  readonly newestFirst: readonly T[];
  readonly tokens: TokenCount;
  readonly left: readonly LeftInstruction[];
  readonly repeats: readonly Repeat[];
} {
  const here = new Set(hereSeqs);
  const said = new Map<string, Seq>();
  const newestFirst: T[] = [];
  const left: LeftInstruction[] = [];
  const repeats: Repeat[] = [];
  let tokens = 0;
  for (const instruction of earlier) {
    const { role, content, seq, author } = instruction;
    if (content === null) continue;
    const words = canonicalJson([role, author ?? null, content as Json]);
    const newerSeq = said.get(words);
    if (newerSeq === undefined) said.set(words, seq);
    else repeats.push({ seq, newerSeq });
    if (newerSeq !== undefined || here.has(seq)) continue;
    const cost = costOf(instruction);
    const room = Math.floor(budget * INSTRUCTIONS_SHARE) - tokens;
    // An instruction that alone exceeds the share is cut: otherwise it could never be in any context.
    const isTooLarge = cost > budget * INSTRUCTIONS_SHARE && room >= MIN_CUT_TOKENS;
    if (cost > room && !isTooLarge) left.push({ seq, cost });
    else {
      tokens += takes(instruction, Math.min(cost, room));
      newestFirst.push(instruction);
    }
  }
  return { newestFirst, tokens, left, repeats };
}

/** A budget in whose share for instructions this many tokens fit. */
export function budgetForInstructions(tokens: TokenCount): TokenCount {
  return Math.ceil(tokens / INSTRUCTIONS_SHARE);
}

/** Tokens that instructions may take of a budget at most. */
export function mostForInstructions(budget: TokenCount): TokenCount {
  return Math.ceil(budget * INSTRUCTIONS_SHARE);
}

/** Pins the instructions that the window does not contain. */
export function pinInstructions(earlier: Iterable<LogMessage>, windowSeqs: readonly Seq[], budget: TokenCount): Pinned {
  const fittedBySeq = new Map<Seq, Context["messages"][number] | null>();
  const takes = (instruction: LogMessage, room: TokenCount): TokenCount => {
    const fitted = fitPinned(instruction, room);
    fittedBySeq.set(instruction.seq, fitted);
    return fitted === null ? 0 : messageCost(fitted);
  };
  const chosen = chooseInstructions(earlier, costAlone, { budget, hereSeqs: windowSeqs }, takes);
  const messages: Context["messages"] = [];
  const left = [...chosen.left];
  for (const instruction of chosen.newestFirst) {
    const fitted = fittedBySeq.get(instruction.seq) ?? null;
    const missing = messageCost(instruction) - (fitted === null ? 0 : messageCost(fitted));
    if (fitted === null || fitted.cut === true) left.push({ seq: instruction.seq, cost: Math.max(1, missing) });
    if (fitted !== null) messages.push(fitted);
  }
  return summed(messages.toReversed(), left, chosen.repeats);
}

function summed(messages: Context["messages"], left: readonly LeftInstruction[], repeats: readonly Repeat[]): Pinned {
  return {
    messages,
    tokens: messages.reduce((sum, message) => sum + messageCost(message), 0),
    seqs: messages.map(({ seq }) => seq),
    left,
    repeats,
    cutSeqs: messages.flatMap(({ seq, cut }) => (cut === true ? [seq] : [])),
  };
}

/**
 * The content of an instruction outside of its conversation: files are described, and calls without results are
 * removed. Null if nothing is left.
 */
function contentAlone({ content, seq }: LogMessage): Content | null {
  return content === null ? null : withoutOpenCalls(nameMedia(content, seq) ?? content);
}

/** The cost of an instruction with its files described, which leaves room for other instructions. */
function costAlone(message: LogMessage): TokenCount {
  const content = contentAlone(message);
  return messageCost(
    content === null || content === message.content ? message : { ...message, tokens: contentTokens(content) },
  );
}

/** Fits one instruction into a room; null if nothing of it fits. */
function fitPinned(message: LogMessage, room: TokenCount): Context["messages"][number] | null {
  const content = contentAlone(message);
  if (content === null) return null;
  const whole = content === message.content ? message : { ...message, tokens: contentTokens(content) };
  if (messageCost(whole) <= room) return toContextMessage(whole, content, content !== message.content);
  const around = messageCost({ ...message, tokens: 0 });
  const cut = cutContent(content, room - around);
  const fitted = { ...message, tokens: contentTokens(cut) };
  return messageCost(fitted) <= room ? toContextMessage(fitted, cut, true) : null;
}

/**
 * Removes calls whose results are in other messages; the model would see them as unanswered. Null if only reasoning is
 * left.
 */
function withoutOpenCalls(content: Content): Content | null {
  if (typeof content === "string") return content;
  const { calls, results } = toolIds(content);
  if (calls.every((id) => results.includes(id))) return content;
  const rest = content.filter((part) => part.type !== "tool-call" || results.includes(part.toolCallId));
  return rest.every(({ type }) => type === "reasoning") ? null : rest;
}

/**
 * Adds to `left` the instructions of `wanted` that are neither pinned nor left out: the window has lost them, and there
 * is no room to pin them.
 */
export function withLost(pinned: Pinned, wanted: Pinned): Pinned {
  const known = new Set([...pinned.seqs, ...pinned.left.map(({ seq }) => seq)]);
  const lost = [
    ...wanted.messages.map((message) => ({ seq: message.seq, cost: messageCost(message) })),
    ...wanted.left,
  ];
  return { ...pinned, left: [...pinned.left, ...lost.filter(({ seq }) => !known.has(seq))], repeats: wanted.repeats };
}

/** Removes pinned messages that the window contains. */
export function unpin(pinned: Pinned, windowSeqs: readonly Seq[]): Pinned {
  const here = new Set(windowSeqs);
  const messages = pinned.messages.filter(({ seq }) => !here.has(seq));
  return messages.length === pinned.messages.length ? pinned : summed(messages, pinned.left, pinned.repeats);
}
