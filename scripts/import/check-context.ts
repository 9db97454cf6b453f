// Checks that a context accounts for every message and is within its budget.
import type { Context } from "../../src/api/context.ts";

export interface ContextCheck {
  readonly isWithinBudget: boolean;
  /** Messages that the context names as omitted. */
  readonly omitted: number;
  /**
   * Messages that are neither covered by the summary, nor verbatim, nor named as omitted. Promise 5 says that there are
   * none.
   */
  readonly gaps: number;
  /** Items of the summary that cite messages within its range. */
  readonly citedItems: number;
  readonly items: number;
}

export function checkContext(context: Context, maxTokens: number): ContextCheck {
  const through = context.summary?.throughSeq ?? 0;
  const items = context.summary?.items ?? [];
  const shown = new Set(context.messages.map((message) => message.seq));
  let omitted = 0;
  for (const range of context.omitted) omitted += range.throughSeq - range.fromSeq + 1;
  let gaps = 0;
  for (let seq = through + 1; seq <= context.atSeq; seq += 1) {
    if (shown.has(seq)) continue;
    if (!context.omitted.some((range) => range.fromSeq <= seq && seq <= range.throughSeq)) gaps += 1;
  }
  return {
    isWithinBudget: context.tokens.used <= maxTokens && context.tokens.budget <= maxTokens,
    omitted,
    gaps,
    items: items.length,
    citedItems: items.filter(
      (item) => item.sourceSeqs.length > 0 && item.sourceSeqs.every((seq) => seq >= 1 && seq <= through),
    ).length,
  };
}
