import type { Content, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { contentTokens } from "./message-text.ts";

/**
 * What an edit says that was not there before, in tokens: the text between what both begin and what both end with, and no less than the
 * content grew by. So an answer that grows with each edit counts once, and one in the place of another counts whole.
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
  // The charge of a file is fixed, however long its data is.
  const said = Math.min(tokens, estimateTokens(middleOf(old, text)));
  return Math.max(said, tokens - tokensBefore);
}

/** `text` without what it begins and ends with like `old`. */
function middleOf(old: string, text: string): string {
  const most = Math.min(old.length, text.length);
  let head = 0;
  while (head < most && old[head] === text[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail += 1;
  return text.slice(head, text.length - tail);
}
