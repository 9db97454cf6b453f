import type { TokenCount } from "../api/message.ts";
import { createMerger } from "./merge.ts";
import { PACKED } from "./packed.ts";
import { endOfWord } from "./split.ts";
import { unpackVocabulary } from "./vocabulary.ts";

/** Pieces are more than tokens, as the rarer tokens are unknown: the share of them that an estimate takes. */
const TOKENS_PER_PIECE = 0.96;
/** What a text is charged besides. */
const TEXT_TOKENS = 1;

let countWord: ReturnType<typeof createMerger> | undefined;

/**
 * Estimates the `o200k_base` tokens of a text, a whole number, in O(n).
 *
 * The text is split into words as `o200k_base` splits it, and the bytes of each are merged as there, with two differences: of
 * the 200,000 tokens the 80,000 commonest are known, and their order by class alone. What is unknown makes for more pieces,
 * never for fewer; where the order of two pairs is not known, the one that makes for more counts.
 *
 * Over 200 characters or more it is meant to be 5 % under at most whatever the text, and in the languages and formats that
 * `tools/measure-tokens.ts` lists at most 15 % over on average; that script measures both. Claude's tokenizer counts up to
 * 1.35 times as many: the caller's factor. Where a text is cut inside a word, the parts may come to a token or two less than
 * the whole, and a text to a token or two more than one that goes on: who adds up parts looks at the whole once more.
 */
export function estimateTokens(text: string): TokenCount {
  return text === "" ? 0 : Math.ceil(countPieces(text, Infinity) * TOKENS_PER_PIECE) + TEXT_TOKENS;
}

/** Whether the estimate of a text is at most so much; reads no more of it than it takes to know. */
export function isWithinTokens(text: string, maxTokens: TokenCount): boolean {
  if (text === "") return true;
  const most = Math.floor((maxTokens - TEXT_TOKENS) / TOKENS_PER_PIECE);
  return countPieces(text, most) <= most;
}

/** The pieces of a text; once they are more than `most`, any number that is. */
function countPieces(text: string, most: number): number {
  countWord ??= createMerger(unpackVocabulary(PACKED));
  let pieces = 0;
  for (let at = 0; at < text.length && pieces <= most;) {
    const end = endOfWord(text, at);
    pieces += countWord(text, at, end, most - pieces);
    at = end;
  }
  return pieces;
}
