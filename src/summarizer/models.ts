import { loadOnFirstCall } from "../provider/load-on-first-call.ts";
import { extractive } from "./extractive.ts";
import type { ModelProvider } from "./language-models.ts";
import { createModelSummarizer, type ModelPrices } from "./model-summarizer.ts";
import type { Summarizer } from "./summarizer.ts";

/** The model behind the built-in agent. */
export type ModelSettings =
  | { readonly provider: "extractive" }
  | (ModelProvider & {
      /** Null: costs are not reported. */
      readonly prices: ModelPrices | null;
    });

/**
 * The model's share of the time that the pipeline waits for the agent: the agent must be able to report a timeout
 * before the pipeline's own limit.
 */
const MODEL_SHARE_OF_TIMEOUT = 11 / 12;

/** @param agentTimeoutMs how long the agent's caller waits; without it the model's own limit applies */
export function createModel(settings: ModelSettings, agentTimeoutMs?: number): Summarizer {
  if (settings.provider === "extractive") return extractive;
  return createModelSummarizer({
    name: `${settings.provider}/${settings.model}`,
    ask: loadOnFirstCall(async () => (await import("./model-call.ts")).createAskModel(settings)),
    prices: settings.prices,
    ...(agentTimeoutMs === undefined ? {} : { timeoutMs: Math.floor(agentTimeoutMs * MODEL_SHARE_OF_TIMEOUT) }),
  });
}
