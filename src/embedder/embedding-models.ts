import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { Ai } from "@cloudflare/workers-types";
import type { EmbeddingModel } from "ai";
import { createWorkersAI } from "workers-ai-provider";

/** A model that makes vectors of texts, and what it takes to reach it. */
export type EmbeddingProvider =
  | { readonly provider: "workers-ai"; readonly model: string; readonly binding: Ai }
  | {
      readonly provider: "openai-compatible";
      readonly model: string;
      readonly baseUrl: string;
      /** Servers on the same machine mostly want none. */
      readonly apiKey?: string;
    };

/** The vectors of one request, as JSON, are under 6 MiB at the most dimensions that are taken: what is larger is something else. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** An answer was longer than any list of vectors that was asked for. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

/** A model's address answers by itself: what was said in a chat follows no redirect to another. The answer is read up to a bound. */
async function fetchVectors(input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> {
  const response = await fetch(input, { ...init, redirect: "manual" });
  if (response.body === null) return response;
  let bytes = 0;
  const bounded = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) throw new AnswerTooLarge(`more than ${MAX_ANSWER_BYTES} bytes`);
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(bounded, { status: response.status, headers: response.headers });
}

export function createEmbeddingModel(settings: EmbeddingProvider): Exclude<EmbeddingModel, string> {
  if (settings.provider === "workers-ai") {
    return createWorkersAI({ binding: settings.binding }).textEmbeddingModel(settings.model);
  }
  const { baseUrl, apiKey, model } = settings;
  return createOpenAICompatible({
    name: "embeddings",
    baseURL: baseUrl,
    fetch: fetchVectors,
    ...(apiKey === undefined ? {} : { apiKey }),
  }).embeddingModel(model);
}
