/** What making a summary took, in words: a number that is not known is said to be so, and never shown as 0. */

import type { SummaryVersion } from "../../src/api/summary.ts";
import { count, dollars, duration, number } from "../text.ts";

type Made = Pick<SummaryVersion, "usage" | "summarizer">;

/** Made by words alone: no model is asked, and nothing is paid. */
const WITHOUT_MODEL = new Set(["extractive", "none"]);

/** "12,400 tokens in, 310 out", or why there is no such number. */
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
