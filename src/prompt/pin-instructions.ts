import type { Context } from "../api/context.ts";
import type { Content, Seq, TokenCount } from "../api/message.ts";
import { canonicalJson, type Json } from "../api/text.ts";
import type { LogMessage } from "./context.ts";
import { cutContent } from "./cut-content.ts";
import { nameMedia } from "./media.ts";
import { contentTokens, messageCost, toolIds } from "./message-text.ts";
import { toContextMessage } from "./window.ts";

/**
 * Instructions hold for as long as the session lives: what a system or a developer said stays, in its role and word for word. What a client
 * pinned stays with it, until it is unpinned.
 */

/** Of a budget this share is for instructions from before the window. */
const INSTRUCTIONS_SHARE = 0.25;
/** With less room nothing of one that is cut can be understood. */
const MIN_CUT_TOKENS = 40;

export interface LeftInstruction {
  readonly seq: Seq;
  readonly cost: TokenCount;
}

/** What was said in the same words as a newer message, which stands for it. */
export interface Repeat {
  readonly seq: Seq;
  readonly newerSeq: Seq;
}

export interface Pinned {
  /** Oldest first. */
  readonly messages: Context["messages"];
  readonly tokens: TokenCount;
  readonly seqs: readonly Seq[];
  /** Those that their share has no room for, and what it has none for of those that are cut. */
  readonly left: readonly LeftInstruction[];
  /** Older ones that are there only where the window has them. */
  readonly repeats: readonly Repeat[];
  /** Those that are here, though not word for word. */
  readonly cutSeqs: readonly Seq[];
}

export const NOTHING_PINNED: Pinned = { messages: [], tokens: 0, seqs: [], left: [], repeats: [], cutSeqs: [] };

/** What is looked at to choose among instructions. */
export interface Instruction extends Pick<LogMessage, "seq" | "role" | "content"> {
  readonly author?: string | null | undefined;
}

/**
 * The instructions that have room in their share of a budget, the newest first; what was said in the same words once.
 * @param earlier what was instructed, newest first
 * @param takes what one takes of the room that it is given: one that is cut may take less, since no part of a file is left
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
    // One that is too large by itself is cut: left out it would be nowhere, whatever else there is.
    const isTooLarge = cost > budget * INSTRUCTIONS_SHARE && room >= MIN_CUT_TOKENS;
    if (cost > room && !isTooLarge) left.push({ seq, cost });
    else {
      tokens += takes(instruction, Math.min(cost, room));
      newestFirst.push(instruction);
    }
  }
  return { newestFirst, tokens, left, repeats };
}

/** A budget in which instructions of so many tokens have room. */
export function budgetForInstructions(tokens: TokenCount): TokenCount {
  return Math.ceil(tokens / INSTRUCTIONS_SHARE);
}

/** The most that instructions may take of a budget. */
export function mostForInstructions(budget: TokenCount): TokenCount {
  return Math.ceil(budget * INSTRUCTIONS_SHARE);
}

/** The instructions that the window does not hold, as a context has them. */
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

/** What a message says by itself, without room for bytes, and without calls that have no results here; null if that is nothing. */
function contentAlone({ content, seq }: LogMessage): Content | null {
  return content === null ? null : withoutOpenCalls(nameMedia(content, seq) ?? content);
}

/** What it takes by itself: a file takes its name, and leaves the rest of the room to other instructions. */
function costAlone(message: LogMessage): TokenCount {
  const content = contentAlone(message);
  return messageCost(
    content === null || content === message.content ? message : { ...message, tokens: contentTokens(content) },
  );
}

/** A message by itself, in the room that it has; null where nothing of it has any. */
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

/** Calls that are answered elsewhere would be told as if nothing had answered them. Null if nothing else is left. */
function withoutOpenCalls(content: Content): Content | null {
  if (typeof content === "string") return content;
  const { calls, results } = toolIds(content);
  if (calls.every((id) => results.includes(id))) return content;
  const rest = content.filter((part) => part.type !== "tool-call" || results.includes(part.toolCallId));
  return rest.every(({ type }) => type === "reasoning") ? null : rest;
}

/** The same instructions for a window that has lost some of its own to them: whatever else is there for that window has no room. */
export function withLost(pinned: Pinned, wanted: Pinned): Pinned {
  const known = new Set([...pinned.seqs, ...pinned.left.map(({ seq }) => seq)]);
  const lost = [
    ...wanted.messages.map((message) => ({ seq: message.seq, cost: messageCost(message) })),
    ...wanted.left,
  ];
  return { ...pinned, left: [...pinned.left, ...lost.filter(({ seq }) => !known.has(seq))], repeats: wanted.repeats };
}

/** Those that the window has not got itself. */
export function unpin(pinned: Pinned, windowSeqs: readonly Seq[]): Pinned {
  const here = new Set(windowSeqs);
  const messages = pinned.messages.filter(({ seq }) => !here.has(seq));
  return messages.length === pinned.messages.length ? pinned : summed(messages, pinned.left, pinned.repeats);
}
