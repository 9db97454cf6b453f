/** How much a tool tells: within what it was asked for, and always within what clients take. */

import { MAX_MCP_RESULT_TOKENS } from "../api/limits.ts";
import type { TokenCount } from "../api/message.ts";
import { prefixWithin } from "../prompt/cut-text.ts";
import { estimateTokens, isWithinTokens } from "../tokens/estimate.ts";
import { countOf, plainBudget } from "../tokens/tokenizers.ts";

/** Whoever reads it may be Claude, who counts most: what fits its count fits that of others. */
const TOKENIZER = "claude";

export function tokensOf(text: string): TokenCount {
  return countOf(estimateTokens(text), TOKENIZER);
}

export function isWithin(text: string, maxTokens: TokenCount): boolean {
  return isWithinTokens(text, Math.max(0, plainBudget(maxTokens, TOKENIZER)));
}

/** The longest beginning of a text that has room. */
export function beginningWithin(text: string, maxTokens: TokenCount): string {
  return prefixWithin(text, Math.max(0, plainBudget(maxTokens, TOKENIZER)));
}

/** The first of the lines that have room, each with its line end. */
export function linesWithin(lines: readonly string[], maxTokens: TokenCount): string[] {
  let left = maxTokens;
  const end = lines.findIndex((line) => {
    left -= tokensOf(`${line}\n`);
    return left < 0;
  });
  return end < 0 ? [...lines] : lines.slice(0, end);
}

/** Estimates err by a few percent. */
const MARGIN = 0.95;

/**
 * A result that clients take. Text of quotes and line ends doubles as JSON, so what fits its own budget may still be too large: then it
 * is made again of less.
 * @param least what is always given, whatever it comes to
 */
export async function withinResult<R extends { readonly structured: object; readonly text: string }>(
  amount: number,
  least: number,
  make: (amount: number) => Promise<R>,
): Promise<R> {
  const most = MAX_MCP_RESULT_TOKENS * MARGIN;
  for (let asked = amount; ;) {
    const result = await make(asked);
    const tokens = Math.max(tokensOf(JSON.stringify(result.structured)), tokensOf(JSON.stringify(result.text)));
    if (tokens <= most || asked <= least) return result;
    asked = Math.max(least, Math.min(asked - 1, Math.floor((asked * most * MARGIN) / tokens)));
  }
}
