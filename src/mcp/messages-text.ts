/** Messages of a session word for word, as many as have room. */

import { MIN_CONTEXT_TOKENS } from "../api/limits.ts";
import type { Message, Seq, TokenCount } from "../api/message.ts";
import { beginningWithin, isWithin, tokensOf } from "./budget.ts";
import { messageBody, messageHeading } from "./fenced-text.ts";

/** Where to go on reading. */
export interface ReadingPlace {
  readonly afterSeq: Seq;
  /** Characters of the next message that were read already. */
  readonly fromCharacter: number;
}

export interface ToldMessages {
  readonly lines: readonly string[];
  readonly told: readonly Message[];
  /** Null: all of them are told. */
  readonly next: ReadingPlace | null;
}

/** The call that goes on there. */
export function tellNext({ afterSeq, fromCharacter }: ReadingPlace): string {
  return `For more: read_messages with afterSeq ${afterSeq}${fromCharacter === 0 ? "" : ` and fromCharacter ${fromCharacter}`}.`;
}

/** A piece of a message that is shorter says nothing. */
const LEAST_PIECE_TOKENS = MIN_CONTEXT_TOKENS / 2;

/** @param fromCharacter of the first message so many characters were read already */
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
