import { OVER_BUDGET_REASON } from "../api/health.ts";
import type { SummarizerAnswer, SummarizerUsage } from "../api/summarizer.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { wrongAgainDelaySeconds } from "../lib/retry-policy.ts";
import type { SummaryStep } from "../session/client.ts";
import { SummarizerError } from "../summarizer/client.ts";
import type { PipelineDeps } from "./delivery.ts";

/**
 * After this many failed attempts a fallback summary is saved. Fewer may be a brief outage, and a better summary is
 * worth waiting seconds for.
 */
const FALLBACK_AFTER_FAILURES = 3;

type CallStep = Extract<SummaryStep, { next: "call" }>;

/** Why the configured summarizer gave no answer. */
interface FallbackCause {
  readonly reason: string;
  readonly retryAfterSeconds?: number;
  readonly usage?: SummarizerUsage;
}

/**
 * - `answer`: save it; if it is a fallback summary, `fallbackCause` says why
 * - `failure`: try again later
 */
export type SummarizerOutcome =
  | { readonly kind: "answer"; readonly answer: SummarizerAnswer; readonly fallbackCause: FallbackCause | null }
  | ({ readonly kind: "failure" } & FallbackCause);

/** How long a session waits before it asks again while a budget is used up. Budgets count by the day. */
const OVER_BUDGET_REST_SECONDS = 3_600;

/**
 * Seconds until the next attempt. Each invalid answer of a working model costs money; while a fallback summary serves,
 * the pauses therefore grow.
 */
function restAfter(
  { kind, retryAfterSeconds }: SummarizerError,
  { isUpgrade, failures }: CallStep,
): number | undefined {
  return isUpgrade && kind === "invalid_answer" ? wrongAgainDelaySeconds(failures) : retryAfterSeconds;
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

/** Errors that another attempt within seconds would not change. */
function isLasting({ kind }: SummarizerError): boolean {
  return kind === "invalid_answer" || kind === "refused" || kind === "circuit_open";
}
