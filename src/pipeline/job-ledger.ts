import type { SummarizerUsage } from "../api/summarizer.ts";
import { NOTHING_MEASURED, type MeasuredSpending } from "../telemetry/metrics.ts";

/**
 * Records the results and costs of a batch's jobs for metrics. The queue's verdict does not suffice: a failed job is
 * acknowledged too.
 */
export interface JobLedger {
  /** The attempt failed, and the session has noted it. */
  fail(jobId: string, gaveUp: boolean): void;
  /** @param model empty if no model answered */
  spend(jobId: string, model: string, usage: SummarizerUsage | undefined, isFallback: boolean): void;
  failureOf(jobId: string): "failed" | "gave-up" | null;
  spentOn(jobId: string): MeasuredSpending;
}

export function createJobLedger(): JobLedger {
  const failures = new Map<string, "failed" | "gave-up">();
  const spendings = new Map<string, MeasuredSpending>();
  const spentOn = (jobId: string): MeasuredSpending => spendings.get(jobId) ?? NOTHING_MEASURED;
  return {
    fail: (jobId, gaveUp) => void failures.set(jobId, gaveUp ? "gave-up" : "failed"),
    spend(jobId, model, usage, isFallback) {
      const before = spentOn(jobId);
      spendings.set(jobId, {
        model: model === "" ? before.model : model,
        inputTokens: before.inputTokens + (usage?.inputTokens ?? 0),
        outputTokens: before.outputTokens + (usage?.outputTokens ?? 0),
        costMicroDollars: before.costMicroDollars + (usage?.costMicroDollars ?? 0),
        fallbacks: before.fallbacks + (isFallback ? 1 : 0),
      });
    },
    failureOf: (jobId) => failures.get(jobId) ?? null,
    spentOn,
  };
}
