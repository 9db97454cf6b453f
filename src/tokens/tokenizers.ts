import type { Context, ContextFormat, ContextTokens, Tokenizer } from "../api/context.ts";
import type { TokenCount } from "../api/message.ts";

/** Budgets by the tokenizer of the model that reads the prompt. All is counted for `o200k`, and what another makes of it is a factor. */

/** How many tokens make a hundred of `o200k`: Claude counts up to 135. Whole numbers, since a fraction is not the same there and back. */
const PER_HUNDRED: Readonly<Record<Tokenizer, number>> = { o200k: 100, claude: 135 };

/** The tokenizer that a format's provider has. */
export function tokenizerOf(format: ContextFormat): Tokenizer {
  return format === "anthropic" ? "claude" : "o200k";
}

/** What a budget comes to in tokens of `o200k`: rounding up each of the three counts that it is told by leaves it within the budget. */
export function plainBudget(maxTokens: TokenCount, tokenizer: Tokenizer): TokenCount {
  return tokenizer === "o200k" ? maxTokens : Math.floor(((maxTokens - 3) * 100) / PER_HUNDRED[tokenizer]);
}

/** The least budget that comes to so many tokens of `o200k`. */
export function budgetFor(plain: TokenCount, tokenizer: Tokenizer): TokenCount {
  return tokenizer === "o200k" ? plain : countOf(plain, tokenizer) + 3;
}

/** Tokens of `o200k` as a tokenizer counts them. */
export function countOf(plain: TokenCount, tokenizer: Tokenizer): TokenCount {
  return Math.ceil((plain * PER_HUNDRED[tokenizer]) / 100);
}

/** The counts of a context as its tokenizer has them. */
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
