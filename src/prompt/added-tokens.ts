import type { Content, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { contentTokens } from "./message-text.ts";

/**
 * Estimates how many tokens of new text an edit adds, for billing and budgets: the text between the common beginning
 * and the common end of both versions, but at least the growth of the whole content. So an answer that is streamed as a
 * series of edits is counted once, and one that replaces another is counted in full.
 */
export function addedTokens(
  before: Content,
  after: Content,
  tokensBefore: TokenCount = contentTokens(before),
  tokens: TokenCount = contentTokens(after),
): TokenCount {
  const [old, text] =
    typeof before === "string" && typeof after === "string"
      ? [before, after]
      : [JSON.stringify(before), JSON.stringify(after)];
  // A file has a fixed cost however long its base64 is, so the new text may not cost more than the whole content.
  const said = Math.min(tokens, estimateTokens(middleOf(old, text)));
  return Math.max(said, tokens - tokensBefore);
}

/** `text` without the beginning and the end that it shares with `old`. */
function middleOf(old: string, text: string): string {
  const most = Math.min(old.length, text.length);
  let head = 0;
  while (head < most && old[head] === text[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail += 1;
  return text.slice(head, text.length - tail);
}
