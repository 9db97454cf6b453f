import { OVER_BUDGET_REASON } from "../api/health.ts";
import type { SummarizerAnswer, SummarizerUsage } from "../api/summarizer.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { wrongAgainDelaySeconds } from "../lib/retry-policy.ts";
import type { SummaryStep } from "../session/client.ts";
import { SummarizerError } from "../summarizer/client.ts";
import type { PipelineDeps } from "./delivery.ts";

/** Failed attempts after which a fallback summary serves. Before that it may be a blip, and a better summary is worth seconds. */
const FALLBACK_AFTER_FAILURES = 3;

type CallStep = Extract<SummaryStep, { next: "call" }>;

/** Why the summarizer that was asked for has no answer. */
export interface FallbackCause {
  readonly reason: string;
  readonly retryAfterSeconds?: number;
  readonly usage?: SummarizerUsage;
}

/** - `answer`: to be saved; a fallback summary has the cause for which it stands in; - `failure`: to be tried again later */
export type SummarizerOutcome =
  | { readonly kind: "answer"; readonly answer: SummarizerAnswer; readonly fallbackCause: FallbackCause | null }
  | ({ readonly kind: "failure" } & FallbackCause);

/** So long a summary that may not be asked for now is left alone: budgets are by the day. */
const OVER_BUDGET_REST_SECONDS = 3_600;

/** A model that is well and gets a range wrong is paid each time it is asked: while a fallback summary serves, it is asked ever more seldom. */
function restAfter(
  { kind, retryAfterSeconds }: SummarizerError,
  { isUpgrade, failures }: CallStep,
): number | undefined {
  return isUpgrade && kind === "invalid_answer" ? wrongAgainDelaySeconds(failures) : retryAfterSeconds;
}

/**
 * Asks the summarizer that the deployment is set to, or, where that is away or may not be asked, the extractive one: without a model
 * a chat still has a summary, marked as degraded, that a better one takes the place of. A summary that only waits for the better one
 * is not made worse again.
 */
export async function askSummarizer(
  step: CallStep,
  tenant: TenantSettings,
  parts: PipelineDeps,
  trace?: string,
): Promise<SummarizerOutcome> {
  const { request, isUpgrade, failures } = step;
  // All that was said in this range is erased: nobody needs to be asked, or paid, about it.
  if (request.messages.length === 0) {
    return { kind: "answer", answer: { items: request.previous, model: "none" }, fallbackCause: null };
  }
  const { fallback } = parts;
  if (fallback !== null && (step.isOverBudget || tenant.isOverBudget)) {
    const fallbackCause = { reason: OVER_BUDGET_REASON, retryAfterSeconds: OVER_BUDGET_REST_SECONDS };
    if (isUpgrade) return { kind: "failure", ...fallbackCause };
    return { kind: "answer", answer: await fallback.summarize(request), fallbackCause };
  }
  try {
    return { kind: "answer", answer: await parts.summarizer.summarize(request, undefined, trace), fallbackCause: null };
  } catch (error) {
    if (!(error instanceof SummarizerError)) throw error;
    const { usage } = error;
    const retryAfterSeconds = restAfter(error, step);
    const fallbackCause: FallbackCause = {
      reason: `summarizer ${error.kind}`,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(usage === undefined ? {} : { usage }),
    };
    if (fallback !== null && !isUpgrade && (failures + 1 >= FALLBACK_AFTER_FAILURES || isLasting(error))) {
      const made = await fallback.summarize(request);
      const answer = usage === undefined ? made : { ...made, usage };
      return { kind: "answer", answer, fallbackCause };
    }
    return { kind: "failure", ...fallbackCause };
  }
}

/** What another attempt in a few seconds would not change. */
function isLasting({ kind }: SummarizerError): boolean {
  return kind === "invalid_answer" || kind === "refused" || kind === "circuit_open";
}
