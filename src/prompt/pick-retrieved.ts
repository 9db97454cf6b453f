import type { Seq, TokenCount } from "../api/message.ts";
import type { Allowance } from "./candidates.ts";
import { wholeBytes } from "./held-files.ts";
import { nameMedia } from "./media.ts";
import { RETRIEVED_FRAME_TOKENS, retrievedCost, type RetrievedMessage } from "./retrieved.ts";

export interface Picked {
  readonly messages: RetrievedMessage[];
  readonly tokens: TokenCount;
}

/** Picks the best candidates that fit and are not in the window already. */
export function pickRetrieved(
  candidates: readonly RetrievedMessage[],
  allowance: Allowance,
  windowSeqs: readonly Seq[],
): Picked {
  const here = new Set(windowSeqs);
  const messages: RetrievedMessage[] = [];
  let tokens = RETRIEVED_FRAME_TOKENS;
  let bytes = 0;
  for (const candidate of candidates) {
    if (here.has(candidate.message.seq)) continue;
    const sized = sizeCandidate(candidate, allowance.bytes - bytes);
    if (sized === null) continue;
    const cost = retrievedCost(sized.candidate);
    if (tokens + cost > allowance.tokens) continue;
    tokens += cost;
    bytes += sized.bytes;
    messages.push(sized.candidate);
  }
  return { messages, tokens: messages.length === 0 ? 0 : tokens };
}

/** Removes retrieved messages that the window contains. */
export function withoutWindow({ messages, tokens }: Picked, windowSeqs: readonly Seq[]): Picked {
  const here = new Set(windowSeqs);
  const left = messages.filter(({ message }) => !here.has(message.seq));
  if (left.length === messages.length) return { messages, tokens };
  const cost = left.reduce((sum, candidate) => sum + retrievedCost(candidate), RETRIEVED_FRAME_TOKENS);
  return { messages: left, tokens: left.length === 0 ? 0 : cost };
}

/**
 * The candidate, if it fits into `maxBytes`, with its files replaced by descriptions if necessary; null if it does not
 * fit.
 */
function sizeCandidate(
  candidate: RetrievedMessage,
  maxBytes: number,
): { candidate: RetrievedMessage; bytes: number } | null {
  const bytes = wholeBytes(candidate);
  if (!(bytes > maxBytes)) return { candidate, bytes };
  const content = nameMedia(candidate.message.content, candidate.message.seq);
  if (content === null) return null;
  const named = { ...candidate, message: { ...candidate.message, content } };
  const namedBytes = wholeBytes(named);
  return namedBytes > maxBytes ? null : { candidate: named, bytes: namedBytes };
}
