/** Messages of a session verbatim, as many as fit the budget. */

import { MIN_CONTEXT_TOKENS } from "../api/limits.ts";
import type { Message, Seq, TokenCount } from "../api/message.ts";
import { beginningWithin, isWithin, tokensOf } from "./budget.ts";
import { messageBody, messageHeading } from "./fenced-text.ts";

/** Where to continue reading. */
export interface ReadingPlace {
  readonly afterSeq: Seq;
  /** How many characters of the next message were read already. */
  readonly fromCharacter: number;
}

export interface ToldMessages {
  readonly lines: readonly string[];
  readonly told: readonly Message[];
  /** Null: all messages are included. */
  readonly next: ReadingPlace | null;
}

/** The call that continues there. */
export function tellNext({ afterSeq, fromCharacter }: ReadingPlace): string {
  return `For more: read_messages with afterSeq ${afterSeq}${fromCharacter === 0 ? "" : ` and fromCharacter ${fromCharacter}`}.`;
}

/** A shorter piece of a message would be of no use. */
const LEAST_PIECE_TOKENS = MIN_CONTEXT_TOKENS / 2;

/** @param fromCharacter how many characters of the first message were read already */
export function tellMessages(messages: readonly Message[], fromCharacter: number, maxTokens: TokenCount): ToldMessages {
  const lines: string[] = [];
  const told: Message[] = [];
  let room = maxTokens;
  for (const message of messages) {
    const from = told.length === 0 ? fromCharacter : 0;
    const heading = messageHeading(message, from);
    const body = messageBody(message).slice(from);
    room -= tokensOf(`${heading}\n\n`);
    if (isWithin(body, room)) {
      room -= tokensOf(body);
      lines.push(`${heading} ${body}`);
      told.push(message);
      continue;
    }
    const next = { afterSeq: message.seq - 1, fromCharacter: from };
    if (room < LEAST_PIECE_TOKENS && told.length > 0) return { lines, told, next };
    const piece = beginningWithin(body, Math.max(room, LEAST_PIECE_TOKENS));
    lines.push(`${heading} ${piece}\n[message ${message.seq} goes on]`);
    told.push(message);
    return { lines, told, next: { ...next, fromCharacter: from + piece.length } };
  }
  return { lines, told, next: null };
}
