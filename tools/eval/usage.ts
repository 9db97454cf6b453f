// What calls of a summarizer cost.
import type { SummarizerUsage } from "../../src/api/summarizer.ts";
import type { SummaryUsage } from "../../src/api/summary.ts";

/** What models reported for a version; undefined if there was no report. */
export function countedOf({ inputTokens, outputTokens, costMicroDollars }: SummaryUsage = {}):
  | SummarizerUsage
  | undefined {
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return { inputTokens, outputTokens, ...(costMicroDollars === undefined ? {} : { costMicroDollars }) };
}

export function addUsage(
  one: SummarizerUsage | undefined,
  other: SummarizerUsage | undefined,
): SummarizerUsage | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const costs = [one.costMicroDollars, other.costMicroDollars].filter((cost) => cost !== undefined);
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    ...(costs.length === 0 ? {} : { costMicroDollars: costs.reduce((sum, cost) => sum + cost, 0) }),
  };
}

/** For example `1.2 M in, 40 k out, $0.31`; a dash if nothing was counted. */
export function showUsage(usage: SummarizerUsage | undefined): string {
  if (usage === undefined) return "–";
  const { inputTokens, outputTokens, costMicroDollars } = usage;
  const cost = costMicroDollars === undefined ? "" : `, $${(costMicroDollars / 1_000_000).toFixed(4)}`;
  return `${inputTokens.toLocaleString("en")} in, ${outputTokens.toLocaleString("en")} out${cost}`;
}
