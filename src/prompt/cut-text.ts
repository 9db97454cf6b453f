import type { TokenCount } from "../api/message.ts";
import { estimateTokens, isWithinTokens } from "../tokens/estimate.ts";

/**
 * Shortens text to a token budget: the beginning and the end stay, and a marker between them says how many characters
 * were cut.
 */

/** Tokens reserved for the marker. */
export const CUT_MARKER_TOKENS = 24;
/** If fewer tokens than this are left beside the long marker, only the beginning is kept, with a short marker. */
const MIN_WORDS_TOKENS = 12;
const SHORT_MARKER = " […]";
const SHORT_MARKER_TOKENS = 4;

/** Shortens text to at most `maxTokens`, if the marker fits: its beginning, the marker, and its end. */
export function cutText(text: string, maxTokens: TokenCount): string {
  if (isWithinTokens(text, maxTokens)) return text;
  if (maxTokens < CUT_MARKER_TOKENS + MIN_WORDS_TOKENS) {
    return `${prefixWithin(text, Math.max(0, maxTokens - SHORT_MARKER_TOKENS))}${SHORT_MARKER}`;
  }
  for (let room = Math.max(0, maxTokens - CUT_MARKER_TOKENS); ;) {
    const cut = headAndTail(text, room);
    const over = estimateTokens(cut) - maxTokens;
    if (over <= 0 || room === 0) return cut;
    // The estimates of the pieces may add up to less than that of the joined text.
    room = Math.max(0, room - over);
  }
}

function headAndTail(text: string, maxTokens: TokenCount): string {
  const head = prefixWithin(text, Math.ceil(maxTokens / 2));
  const tail = suffixWithin(text, Math.floor(maxTokens / 2));
  const gone = text.length - head.length - tail.length;
  return `${head}\n[… ${gone} characters cut …]\n${tail}`;
}

function isInsidePair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * The longest prefix within a budget, or nearly. The estimate grows with the length, apart from a token or two, so a
 * binary search works.
 */
export function prefixWithin(text: string, maxTokens: TokenCount): string {
  let low = 0;
  let high = Math.min(text.length, maxTokens * 16);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isWithinTokens(text.slice(0, middle), maxTokens)) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, isInsidePair(text, low) ? low - 1 : low);
}

function suffixWithin(text: string, maxTokens: TokenCount): string {
  let low = Math.max(0, text.length - maxTokens * 16);
  let high = text.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isWithinTokens(text.slice(middle), maxTokens)) high = middle;
    else low = middle + 1;
  }
  return text.slice(isInsidePair(text, low) ? low + 1 : low);
}
