import type { SummarizerAnswer, SummarizerUsage } from "../contracts/summarizer.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import type { SummaryStep } from "../session/client.ts";
import { SummarizerError } from "../summarizer/client.ts";
import type { PipelineParts } from "./delivery.ts";

/** Failed attempts after which a makeshift serves. Before that it may be a blip, and a better summary is worth seconds. */
const MAKESHIFT_AFTER_FAILURES = 3;

type CallStep = Extract<SummaryStep, { next: "call" }>;

/** - `answer`: to be saved, and whether it is only a makeshift; - `failure`: to be tried again later */
export type Asked =
  | {
      readonly kind: "answer";
      readonly answer: SummarizerAnswer;
      readonly isMakeshift: boolean;
      readonly reason?: string;
    }
  | {
      readonly kind: "failure";
      readonly reason: string;
      readonly retryAfterSeconds?: number;
      readonly usage?: SummarizerUsage;
    };

/** So long a summary that may not be asked for now is left alone: budgets are by the day. */
const OVER_BUDGET_REST_SECONDS = 3_600;

/**
 * Asks the summarizer that the deployment is set to, or, where that is away or may not be asked, the extractive one: without a model
 * a chat still has a summary, marked as degraded, that a better one takes the place of. A summary that only waits for the better one
 * is not made worse again.
 */
export async function askSummarizer(step: CallStep, tenant: TenantSettings, parts: PipelineParts): Promise<Asked> {
  const { request, isUpgrade, failures } = step;
  // All that was said in this range is erased: nobody needs to be asked, or paid, about it.
  if (request.messages.length === 0) {
    return { kind: "answer", answer: { items: request.previous, model: "none" }, isMakeshift: false };
  }
  const { makeshift } = parts;
  if (makeshift !== null && (step.isOverBudget || tenant.isOverBudget)) {
    const reason = "summarizer over_budget";
    if (isUpgrade) return { kind: "failure", reason, retryAfterSeconds: OVER_BUDGET_REST_SECONDS };
    return { kind: "answer", answer: await makeshift.summarize(request), isMakeshift: true, reason };
  }
  try {
    return { kind: "answer", answer: await parts.summarizer.summarize(request), isMakeshift: false };
  } catch (error) {
    if (!(error instanceof SummarizerError)) throw error;
    const reason = `summarizer ${error.kind}`;
    if (makeshift !== null && !isUpgrade && (failures + 1 >= MAKESHIFT_AFTER_FAILURES || isLasting(error))) {
      const made = await makeshift.summarize(request);
      const answer = error.usage === undefined ? made : { ...made, usage: error.usage };
      return { kind: "answer", answer, isMakeshift: true, reason };
    }
    const { retryAfterSeconds, usage } = error;
    return {
      kind: "failure",
      reason,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(usage === undefined ? {} : { usage }),
    };
  }
}

/** What another attempt in a few seconds would not change. */
function isLasting({ kind }: SummarizerError): boolean {
  return kind === "invalid_answer" || kind === "refused" || kind === "circuit_open";
}
