import type { LeftOut, Omitted, Tokenizer } from "../api/context.ts";
import { MAX_CONTEXT_TOKENS } from "../api/limits.ts";
import type { TokenCount } from "../api/message.ts";
import { budgetFor, countOf } from "../tokens/tokenizers.ts";

/** What a context says of what it has no room for, and of what would help. All in tokens of `o200k`. */
interface Sizes {
  /** Of what is left out. */
  tokens(): TokenCount;
  /** Of a context that leaves nothing out. */
  whole(): TokenCount;
  /** Of this one. */
  readonly budget: TokenCount;
}

/** Null where nothing is left out for the budget that no summary under way covers. */
export function tellLeftOut(omitted: readonly Omitted[], sizes: Sizes, tokenizer: Tokenizer): LeftOut | null {
  const messages = omitted
    .filter(({ reason }) => reason === "budget")
    .reduce((sum, { fromSeq, throughSeq }) => sum + throughSeq - fromSeq + 1, 0);
  if (messages === 0) return null;
  const whole = sizes.whole();
  const wanted = budgetFor(whole, tokenizer);
  // Where the tokens fit, it is bytes that have no room, and more tokens are of no use.
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
