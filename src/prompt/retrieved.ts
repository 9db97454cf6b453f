import type { Context } from "../api/context.ts";
import type { TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { guardName, RETRIEVED_TAG } from "./guarded-text.ts";
import { guardedMessageText, MESSAGE_OVERHEAD_TOKENS } from "./message-text.ts";

/** Older messages that are relevant to the query. A prompt gets them as one user message. */

export type RetrievedMessage = Context["retrieved"][number];

const OPENING = `<${RETRIEVED_TAG}>`;
const CLOSING = `</${RETRIEVED_TAG}>`;

/** Tokens of the tags and of the message around them. */
export const RETRIEVED_FRAME_TOKENS: TokenCount = estimateTokens(`${OPENING}\n${CLOSING}`) + MESSAGE_OVERHEAD_TOKENS;

function line({ message }: RetrievedMessage): string {
  const author = message.author === undefined ? "" : ` ${guardName(message.author)}`;
  const at = (message.occurredAt ?? message.createdAt).slice(0, 10);
  return `[${at} ${message.role}${author}] ${guardedMessageText(message.content)}`;
}

/** Tokens that one retrieved message takes of the budget. */
export function retrievedCost(retrieved: RetrievedMessage): TokenCount {
  return estimateTokens(`${line(retrieved)}\n`);
}

/** Renders retrieved messages in the order in which they were written, whatever their rank. */
export function renderRetrieved(retrieved: readonly RetrievedMessage[]): string {
  const lines = retrieved.toSorted((a, b) => a.message.seq - b.message.seq).map(line);
  return [OPENING, ...lines, CLOSING].join("\n");
}
