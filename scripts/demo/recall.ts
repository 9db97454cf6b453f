// Looks for a fact in a context that was said long ago.
import type { Context } from "../../src/api/context.ts";
import type { Item } from "../../src/api/summary.ts";
import { EARLY_SEQ, type EarlyFact } from "./sample.ts";

/** The summary item that states the fact and cites an early turn. Items that merely mention it later do not count. */
export function recall(context: Context, fact: EarlyFact): Item | null {
  return (
    context.summary?.items.find(
      (item) => fact.needle.test(item.text) && item.sourceSeqs.some((seq) => seq <= EARLY_SEQ),
    ) ?? null
  );
}
