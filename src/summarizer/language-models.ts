import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModel } from "ai";
import { createWorkersAI } from "workers-ai-provider";

/** A language model and how to reach it. */
export type ModelProvider =
  | { readonly provider: "workers-ai"; readonly model: string; readonly binding: Ai }
  | {
      readonly provider: "openai-compatible";
      readonly model: string;
      readonly baseUrl: string;
      /** Servers on the same machine mostly need none. */
      readonly apiKey?: string;
    }
  | {
      readonly provider: "anthropic";
      readonly model: string;
      readonly apiKey: string;
      /** Another address with the same API; by default Anthropic's own. */
      readonly baseUrl?: string;
    };

export interface LanguageModels {
  readonly withSchema: Exclude<LanguageModel, string>;
  /** For servers that support JSON output but no JSON schema. Null if every model of the provider supports schemas. */
  readonly withoutSchema: Exclude<LanguageModel, string> | null;
}

/** OpenAI's newer models refuse `max_tokens`; servers that are merely compatible may not know its replacement. */
const OPENAI_HOST = "api.openai.com";

/** Redirects are not followed, so that the chat is sent only to the configured address. */
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
      // The usage of a stream is reported only on request.
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
