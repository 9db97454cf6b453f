import { extractive } from "./extractive.ts";
import type { ModelProvider } from "./language-models.ts";
import { type AskModel, createModelSummarizer, type ModelPrices } from "./model-summarizer.ts";
import type { Summarizer } from "./summarizer.ts";

/** What stands behind the built-in agent. */
export type ModelSettings =
  | { readonly provider: "extractive" }
  | (ModelProvider & {
      /** Null: costs are not told. */
      readonly prices: ModelPrices | null;
    });

/** The SDK and its providers are a third of the bundle: they are evaluated with the first call of a model, not at each cold start. */
function loadedLate(provider: ModelProvider): AskModel {
  let ask: Promise<AskModel> | undefined;
  return async (question) => {
    ask ??= import("./model-call.ts").then(({ createAskModel }) => createAskModel(provider));
    return (await ask)(question);
  };
}

/** What a model gets of the time that the pipeline waits for its agent: the agent has to tell of a timeout before that. */
const MODEL_SHARE_OF_TIMEOUT = 11 / 12;

/** @param agentTimeoutMs how long whoever calls the agent waits for it; without it the model's own limit holds */
export function createModel(settings: ModelSettings, agentTimeoutMs?: number): Summarizer {
  if (settings.provider === "extractive") return extractive;
  return createModelSummarizer({
    name: `${settings.provider}/${settings.model}`,
    ask: loadedLate(settings),
    prices: settings.prices,
    ...(agentTimeoutMs === undefined ? {} : { timeoutMs: Math.floor(agentTimeoutMs * MODEL_SHARE_OF_TIMEOUT) }),
  });
}
