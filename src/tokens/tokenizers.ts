import type { ContextTokens } from "../api/context-meta.ts";
import type { Context, ContextFormat, Tokenizer } from "../api/context.ts";
import type { TokenCount } from "../api/message.ts";

/**
 * Converts token counts between tokenizers. Everything is counted in `o200k` tokens; other tokenizers differ by a
 * factor.
 */

/**
 * Tokens per hundred `o200k` tokens: Claude counts up to 135. Whole numbers, because a fraction would not convert back
 * exactly.
 */
const PER_HUNDRED: Readonly<Record<Tokenizer, number>> = { o200k: 100, claude: 135 };

/** The tokenizer of a format's provider. */
export function tokenizerOf(format: ContextFormat): Tokenizer {
  return format === "anthropic" ? "claude" : "o200k";
}

/**
 * Converts a budget into `o200k` tokens. Three tokens are subtracted, because each of the three reported counts is
 * rounded up, and their sum must stay within the budget.
 */
export function plainBudget(maxTokens: TokenCount, tokenizer: Tokenizer): TokenCount {
  return tokenizer === "o200k" ? maxTokens : Math.floor(((maxTokens - 3) * 100) / PER_HUNDRED[tokenizer]);
}

/** The smallest budget that `plainBudget` converts into at least this many `o200k` tokens. */
export function budgetFor(plain: TokenCount, tokenizer: Tokenizer): TokenCount {
  return tokenizer === "o200k" ? plain : countOf(plain, tokenizer) + 3;
}

/** Converts `o200k` tokens into those of a tokenizer, rounded up. */
export function countOf(plain: TokenCount, tokenizer: Tokenizer): TokenCount {
  return Math.ceil((plain * PER_HUNDRED[tokenizer]) / 100);
}

/** Converts the counts of a context. */
export function countFor(tokens: Context["tokens"], tokenizer: Tokenizer, budget: TokenCount): ContextTokens {
  const count = (plain: TokenCount): TokenCount => countOf(plain, tokenizer);
  const [summary, messages, retrieved] = [
    count(tokens.summary),
    count(tokens.messages),
    count(tokens.retrieved),
  ] as const;
  const pinned = tokens.pinned === undefined ? {} : { pinned: count(tokens.pinned) };
  return { budget, used: summary + messages + retrieved, summary, messages, retrieved, ...pinned };
}
