import type { Context } from "../contracts/context.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import { canonicalJson, type Json } from "../contracts/text.ts";
import type { LogMessage } from "./context.ts";
import { messageCost } from "./message-text.ts";
import { toContextMessage } from "./window.ts";

/** Instructions hold for as long as the session lives: what a system or a developer said stays, in its role and word for word. */

/** Of a budget this share is for instructions from before the window. */
const INSTRUCTIONS_SHARE = 0.25;

export interface Pinned {
  /** Oldest first. */
  readonly messages: Context["messages"];
  readonly tokens: TokenCount;
  readonly seqs: readonly Seq[];
  /** Those that their share has no room for. */
  readonly leftSeqs: readonly Seq[];
}

export const NOTHING_PINNED: Pinned = { messages: [], tokens: 0, seqs: [], leftSeqs: [] };

/**
 * The instructions that the window does not hold, the newest first as far as their share goes; what was said in the same words once.
 * @param earlier what was instructed, newest first
 */
export function pinInstructions(earlier: Iterable<LogMessage>, windowSeqs: readonly Seq[], budget: TokenCount): Pinned {
  const here = new Set(windowSeqs);
  const said = new Set<string>();
  const newestFirst: Context["messages"] = [];
  const leftSeqs: Seq[] = [];
  let tokens = 0;
  for (const message of earlier) {
    const { role, content, seq } = message;
    if (content === null) continue;
    const words = canonicalJson([role, message.author ?? null, content as Json]);
    const isSaid = said.has(words);
    said.add(words);
    if (isSaid || here.has(seq)) continue;
    const cost = messageCost(message);
    if (tokens + cost > budget * INSTRUCTIONS_SHARE) leftSeqs.push(seq);
    else {
      tokens += cost;
      newestFirst.push(toContextMessage(message, content, false));
    }
  }
  const messages = newestFirst.toReversed();
  return { messages, tokens, seqs: messages.map(({ seq }) => seq), leftSeqs };
}

/** Those that the window has not got itself. */
export function unpin(pinned: Pinned, windowSeqs: readonly Seq[]): Pinned {
  const here = new Set(windowSeqs);
  const messages = pinned.messages.filter(({ seq }) => !here.has(seq));
  if (messages.length === pinned.messages.length) return pinned;
  const tokens = messages.reduce((sum, message) => sum + messageCost(message), 0);
  return { ...pinned, messages, tokens, seqs: messages.map(({ seq }) => seq) };
}
