/** Keeps the results of tools within the requested budget, and always within what MCP clients accept. */

import { MAX_MCP_RESULT_TOKENS } from "../api/limits.ts";
import type { TokenCount } from "../api/message.ts";
import { prefixWithin } from "../prompt/cut-text.ts";
import { estimateTokens, isWithinTokens } from "../tokens/estimate.ts";
import { countOf, plainBudget } from "../tokens/tokenizers.ts";

/** Tokens are counted as for Claude, which counts the most of all models in use. */
const TOKENIZER = "claude";

export function tokensOf(text: string): TokenCount {
  return countOf(estimateTokens(text), TOKENIZER);
}

export function isWithin(text: string, maxTokens: TokenCount): boolean {
  return isWithinTokens(text, Math.max(0, plainBudget(maxTokens, TOKENIZER)));
}

/** The longest prefix of a text that fits. */
export function beginningWithin(text: string, maxTokens: TokenCount): string {
  return prefixWithin(text, Math.max(0, plainBudget(maxTokens, TOKENIZER)));
}

/** The first lines that fit, each counted with its line end. */
export function linesWithin(lines: readonly string[], maxTokens: TokenCount): string[] {
  let left = maxTokens;
  const end = lines.findIndex((line) => {
    left -= tokensOf(`${line}\n`);
    return left < 0;
  });
  return end < 0 ? [...lines] : lines.slice(0, end);
}

/** Leaves room for the estimator's error of a few percent. */
const MARGIN = 0.95;

/**
 * Makes a result that clients accept. Its size is measured as JSON, where quotes and line ends take more tokens than in
 * the text, so a result within its own budget may still be too large. Then it is made again with a smaller amount.
 * @param least the smallest amount; its result is returned whatever its size
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
