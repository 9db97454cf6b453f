import type { Context } from "../contracts/context.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import { canonicalJson, type Json } from "../contracts/text.ts";
import type { LogMessage } from "./context.ts";
import { messageCost } from "./message-text.ts";
import { toContextMessage } from "./window.ts";

/** Instructions hold for as long as the session lives: what a system or a developer said stays, in its role and word for word. */

/** Of a budget this share is for instructions from before the window. */
const INSTRUCTIONS_SHARE = 0.25;

export interface LeftInstruction {
  readonly seq: Seq;
  readonly cost: TokenCount;
}

export interface Pinned {
  /** Oldest first. */
  readonly messages: Context["messages"];
  readonly tokens: TokenCount;
  readonly seqs: readonly Seq[];
  /** Those that their share has no room for. */
  readonly left: readonly LeftInstruction[];
}

export const NOTHING_PINNED: Pinned = { messages: [], tokens: 0, seqs: [], left: [] };

/** What is looked at to choose among instructions. */
export interface Instruction extends Pick<LogMessage, "seq" | "role" | "content"> {
  readonly author?: string | null | undefined;
}

/**
 * The instructions that have room in their share of a budget, the newest first; what was said in the same words once.
 * @param earlier what was instructed, newest first
 */
export function chooseInstructions<T extends Instruction>(
  earlier: Iterable<T>,
  costOf: (instruction: T) => TokenCount,
  { budget, hereSeqs }: { readonly budget: TokenCount; readonly hereSeqs: readonly Seq[] },
): { readonly newestFirst: readonly T[]; readonly tokens: TokenCount; readonly left: readonly LeftInstruction[] } {
  const here = new Set(hereSeqs);
  const said = new Set<string>();
  const newestFirst: T[] = [];
  const left: LeftInstruction[] = [];
  let tokens = 0;
  for (const instruction of earlier) {
    const { role, content, seq, author } = instruction;
    if (content === null) continue;
    const words = canonicalJson([role, author ?? null, content as Json]);
    const isSaid = said.has(words);
    said.add(words);
    if (isSaid || here.has(seq)) continue;
    const cost = costOf(instruction);
    if (tokens + cost > budget * INSTRUCTIONS_SHARE) left.push({ seq, cost });
    else {
      tokens += cost;
      newestFirst.push(instruction);
    }
  }
  return { newestFirst, tokens, left };
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
  const chosen = chooseInstructions(earlier, messageCost, { budget, hereSeqs: windowSeqs });
  const messages = chosen.newestFirst
    .flatMap((message) => (message.content === null ? [] : [toContextMessage(message, message.content, false)]))
    .toReversed();
  return { messages, tokens: chosen.tokens, seqs: messages.map(({ seq }) => seq), left: chosen.left };
}

/** Those that the window has not got itself. */
export function unpin(pinned: Pinned, windowSeqs: readonly Seq[]): Pinned {
  const here = new Set(windowSeqs);
  const messages = pinned.messages.filter(({ seq }) => !here.has(seq));
  if (messages.length === pinned.messages.length) return pinned;
  const tokens = messages.reduce((sum, message) => sum + messageCost(message), 0);
  return { ...pinned, messages, tokens, seqs: messages.map(({ seq }) => seq) };
}
