import type { SummarizerAnswer, SummarizerUsage } from "../api/summarizer.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { wrongAgainDelaySeconds } from "../lib/retry-policy.ts";
import { ProviderError } from "../provider/provider-error.ts";
import type { SummaryStep } from "../session/client.ts";
import type { PipelineDeps } from "./delivery.ts";
import { type ModelFailure, OVER_BUDGET, readModelFailure } from "./model-failure.ts";

/**
 * After this many failed attempts a fallback summary is saved. Fewer may be a brief outage, and a better summary is
 * worth waiting seconds for.
 */
const FALLBACK_AFTER_FAILURES = 3;

type CallStep = Extract<SummaryStep, { next: "call" }>;

/** Why the configured summarizer gave no answer. */
type FallbackCause = ModelFailure<SummarizerUsage>;

/**
 * - `answer`: save it; if it is a fallback summary, `fallbackCause` says why
 * - `failure`: try again later
 */
export type SummarizerOutcome =
  | { readonly kind: "answer"; readonly answer: SummarizerAnswer; readonly fallbackCause: FallbackCause | null }
  | ({ readonly kind: "failure" } & FallbackCause);

/**
 * Why there is no answer, and when to ask again. Each invalid answer of a working model costs money; while a fallback
 * summary serves, the pauses therefore grow.
 */
function causeOf(error: ProviderError, { isUpgrade, failures }: CallStep): FallbackCause {
  const cause = readModelFailure("summarizer", error);
  const isWrongAgain = isUpgrade && error.kind === "invalid_answer";
  return isWrongAgain ? { ...cause, retryAfterSeconds: wrongAgainDelaySeconds(failures) } : cause;
}

/**
 * Asks the configured summarizer. If it is unavailable or the budget is used up, the extractive summarizer answers
 * instead: the chat has a summary marked as degraded, which is replaced once the model is available again. If the
 * session already has a fallback summary (`isUpgrade`), it is kept, and the outcome is a failure.
 */
export async function askSummarizer(
  step: CallStep,
  tenant: TenantSettings,
  parts: PipelineDeps,
  trace?: string,
): Promise<SummarizerOutcome> {
  const { request, isUpgrade, failures } = step;
  // Every message of this range was erased: there is nothing to summarize, and no call to pay for.
  if (request.messages.length === 0) {
    return { kind: "answer", answer: { items: request.previous, model: "none" }, fallbackCause: null };
  }
  const { fallback } = parts;
  if (fallback !== null && (step.isOverBudget || tenant.isOverBudget)) {
    if (isUpgrade) return { kind: "failure", ...OVER_BUDGET };
    return { kind: "answer", answer: await fallback.summarize(request), fallbackCause: OVER_BUDGET };
  }
  try {
    return { kind: "answer", answer: await parts.summarizer.summarize(request, undefined, trace), fallbackCause: null };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const { usage } = error;
    const fallbackCause = causeOf(error, step);
    if (fallback !== null && !isUpgrade && (failures + 1 >= FALLBACK_AFTER_FAILURES || isLasting(error))) {
      const made = await fallback.summarize(request);
      const answer = usage === undefined ? made : { ...made, usage };
      return { kind: "answer", answer, fallbackCause };
    }
    return { kind: "failure", ...fallbackCause };
  }
}

/** Errors that another attempt within seconds would not change. */
function isLasting({ kind }: ProviderError): boolean {
  return kind === "invalid_answer" || kind === "refused" || kind === "circuit_open";
}
