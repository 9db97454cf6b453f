/** Says in words what a summary cost. An unknown number is called unknown, never shown as 0. */

import type { SummaryVersion } from "../../src/api/summary.ts";
import { count, dollars, duration, number } from "../text.ts";

type Made = Pick<SummaryVersion, "usage" | "summarizer">;

/** Summarizers that call no model and cost nothing. */
const WITHOUT_MODEL = new Set(["extractive", "none"]);

/** "12,400 tokens in, 310 out", or why the number is unknown. */
export function tokensText({ usage, summarizer }: Made): string {
  const { inputTokens, outputTokens } = usage ?? {};
  if (inputTokens !== undefined && outputTokens !== undefined) {
    return `${count(inputTokens, "token")} in, ${number(outputTokens)} out`;
  }
  if (WITHOUT_MODEL.has(summarizer)) return "no model asked";
  return usage === undefined ? "tokens not known" : "tokens not told by the model";
}

export function costText({ usage, summarizer }: Made): string {
  if (usage?.costMicroDollars !== undefined) return dollars(usage.costMicroDollars);
  if (WITHOUT_MODEL.has(summarizer) && usage?.inputTokens === undefined) return "free";
  return usage === undefined ? "cost not known" : "cost not known: no prices are set";
}

export function timeText({ usage }: Made): string {
  return usage?.durationMs === undefined ? "time not known" : duration(usage.durationMs);
}
