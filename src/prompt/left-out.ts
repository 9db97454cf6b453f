import type { LeftOut, Omitted } from "../api/context-meta.ts";
import type { Tokenizer } from "../api/context.ts";
import { MAX_CONTEXT_TOKENS } from "../api/limits.ts";
import type { TokenCount } from "../api/message.ts";
import { budgetFor, countOf } from "../tokens/tokenizers.ts";

/** Sizes from which a context tells what it had no room for and what would help. All in `o200k` tokens. */
interface Sizes {
  /** Tokens of what is left out. */
  tokens(): TokenCount;
  /** Tokens of a context that would leave nothing out. */
  whole(): TokenCount;
  /** Budget of this context. */
  readonly budget: TokenCount;
}

/**
 * Makes the `leftOut` part of a context. Null if nothing is left out for lack of budget; messages that a pending
 * summary will cover do not count.
 */
export function tellLeftOut(omitted: readonly Omitted[], sizes: Sizes, tokenizer: Tokenizer): LeftOut | null {
  const messages = omitted
    .filter(({ reason }) => reason === "budget")
    .reduce((sum, { fromSeq, throughSeq }) => sum + throughSeq - fromSeq + 1, 0);
  if (messages === 0) return null;
  const whole = sizes.whole();
  const wanted = budgetFor(whole, tokenizer);
  // If the tokens would fit, it is the byte limit that is reached, and a larger token budget would not help.
  const maxTokens = whole <= sizes.budget || wanted > MAX_CONTEXT_TOKENS ? null : wanted;
  const ask = "ask for a summary of them (POST /v1/sessions/{sessionId}/summarize)";
  return {
    messages,
    tokens: countOf(sizes.tokens(), tokenizer),
    maxTokens,
    help: maxTokens === null ? capital(ask) : `Ask with maxTokens of ${maxTokens} or more, or ${ask}`,
  };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
