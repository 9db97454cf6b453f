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

export function createModel(settings: ModelSettings): Summarizer {
  if (settings.provider === "extractive") return extractive;
  return createModelSummarizer({
    name: `${settings.provider}/${settings.model}`,
    ask: loadedLate(settings),
    prices: settings.prices,
  });
}
