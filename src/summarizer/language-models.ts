import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModel } from "ai";
import { createWorkersAI } from "workers-ai-provider";

/** A language model, and what it takes to reach it. */
export type ModelProvider =
  | { readonly provider: "workers-ai"; readonly model: string; readonly binding: Ai }
  | {
      readonly provider: "openai-compatible";
      readonly model: string;
      readonly baseUrl: string;
      /** Servers on the same machine mostly want none. */
      readonly apiKey?: string;
    }
  | {
      readonly provider: "anthropic";
      readonly model: string;
      readonly apiKey: string;
      /** Another address with the same API; without it, Anthropic's own. */
      readonly baseUrl?: string;
    };

export interface LanguageModels {
  readonly withSchema: Exclude<LanguageModel, string>;
  /** For servers that know JSON, but no JSON schema. Null where every model takes one. */
  readonly withoutSchema: Exclude<LanguageModel, string> | null;
}

/** OpenAI's own newer models refuse `max_tokens`; servers that are merely compatible may not know its successor. */
const OPENAI_HOST = "api.openai.com";

/** A model's address answers by itself: what was said in a chat follows no redirect to another. */
const fetchModel = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> =>
  fetch(input, { ...init, redirect: "manual" });

function withCompletionLimit({ max_tokens: limit, ...body }: Record<string, unknown>): Record<string, unknown> {
  return { ...body, max_completion_tokens: limit };
}

function openAiCompatible(settings: Extract<ModelProvider, { provider: "openai-compatible" }>): LanguageModels {
  const { baseUrl, apiKey, model } = settings;
  const create = (supportsStructuredOutputs: boolean) =>
    createOpenAICompatible({
      name: "model",
      baseURL: baseUrl,
      fetch: fetchModel,
      supportsStructuredOutputs,
      // Of a stream it is told what it took only where that is asked for.
      includeUsage: true,
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(new URL(baseUrl).hostname === OPENAI_HOST ? { transformRequestBody: withCompletionLimit } : {}),
    }).chatModel(model);
  return { withSchema: create(true), withoutSchema: create(false) };
}

export function createLanguageModels(settings: ModelProvider): LanguageModels {
  switch (settings.provider) {
    case "workers-ai":
      return { withSchema: createWorkersAI({ binding: settings.binding })(settings.model), withoutSchema: null };
    case "openai-compatible":
      return openAiCompatible(settings);
    case "anthropic": {
      const { apiKey, baseUrl, model } = settings;
      const provider = createAnthropic({
        apiKey,
        fetch: fetchModel,
        ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
      });
      return { withSchema: provider(model), withoutSchema: null };
    }
  }
}
