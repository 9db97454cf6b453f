import { OVER_BUDGET_REASON } from "../api/health.ts";
import type { ProviderError } from "../provider/provider-error.ts";

/** Why a job got no answer of a model, as its session notes it. */
export interface ModelFailure<Usage> {
  readonly reason: string;
  /** When it may be tried again; absent: by the schedule of retries. */
  readonly retryAfterSeconds?: number;
  /** What was spent nevertheless. */
  readonly usage?: Usage;
}

/** No model is asked while a budget is used up. Budgets count by the day, so a session asks again after an hour. */
export const OVER_BUDGET = { reason: OVER_BUDGET_REASON, retryAfterSeconds: 3_600 } as const;

/** @param asked who was asked, as operators read it: `summarizer timeout` */
export function readModelFailure(
  asked: "summarizer" | "embedder",
  { kind, retryAfterSeconds, usage }: ProviderError,
): ModelFailure<NonNullable<ProviderError["usage"]>> {
  return {
    reason: `${asked} ${kind}`,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(usage === undefined ? {} : { usage }),
  };
}
