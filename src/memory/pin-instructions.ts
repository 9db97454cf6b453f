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
}

export const NOTHING_PINNED: Pinned = { messages: [], tokens: 0, seqs: [] };

/**
 * The instructions that the window does not hold, the newest first as far as their share goes; what was said in the same words once.
 * @param earlier messages from before the window, oldest first
 */
export function pinInstructions(
  earlier: readonly LogMessage[],
  windowSeqs: readonly Seq[],
  budget: TokenCount,
): Pinned {
  const here = new Set(windowSeqs);
  const said = new Set<string>();
  const messages: Context["messages"] = [];
  let tokens = 0;
  for (const message of earlier.toReversed()) {
    const { role, content, seq } = message;
    if (content === null || here.has(seq) || (role !== "system" && role !== "developer")) continue;
    const words = canonicalJson([role, message.author ?? null, content as Json]);
    const cost = messageCost(message);
    if (said.has(words) || tokens + cost > budget * INSTRUCTIONS_SHARE) continue;
    said.add(words);
    tokens += cost;
    messages.unshift(toContextMessage(message, content, false));
  }
  return { messages, tokens, seqs: messages.map(({ seq }) => seq) };
}

/** Those that the window has not got itself. */
export function unpin(pinned: Pinned, windowSeqs: readonly Seq[]): Pinned {
  const here = new Set(windowSeqs);
  const messages = pinned.messages.filter(({ seq }) => !here.has(seq));
  if (messages.length === pinned.messages.length) return pinned;
  const tokens = messages.reduce((sum, message) => sum + messageCost(message), 0);
  return { messages, tokens, seqs: messages.map(({ seq }) => seq) };
}
