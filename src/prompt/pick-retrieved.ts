import type { Seq, TokenCount } from "../api/message.ts";
import type { Allowance } from "./candidates.ts";
import { wholeBytes } from "./held-files.ts";
import { nameMedia } from "./media.ts";
import { RETRIEVED_FRAME_TOKENS, retrievedCost, type RetrievedMessage } from "./retrieved.ts";

export interface Picked {
  readonly messages: RetrievedMessage[];
  readonly tokens: TokenCount;
}

/** The best candidates that fit and are not in the window anyway. */
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

/** What is left of them once the window has some of them itself. */
export function withoutWindow({ messages, tokens }: Picked, windowSeqs: readonly Seq[]): Picked {
  const here = new Set(windowSeqs);
  const left = messages.filter(({ message }) => !here.has(message.seq));
  if (left.length === messages.length) return { messages, tokens };
  const cost = left.reduce((sum, candidate) => sum + retrievedCost(candidate), RETRIEVED_FRAME_TOKENS);
  return { messages: left, tokens: left.length === 0 ? 0 : cost };
}

/** A candidate of at most so many bytes, with its files named if it has to be; null if that is not enough. */
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
