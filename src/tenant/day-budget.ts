import type { Spent } from "../api/tenant.ts";

/** Whether models have used what they may use in a day. */
export function isUsedUp({ inputTokens, outputTokens, embeddings }: Spent, tokensPerDay: number | null): boolean {
  return tokensPerDay !== null && inputTokens + outputTokens + embeddings.inputTokens >= tokensPerDay;
}
