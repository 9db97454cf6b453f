import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { Ai } from "@cloudflare/workers-types";
import type { EmbeddingModel } from "ai";
import { createWorkersAI } from "workers-ai-provider";

/** An embedding model and how to reach it. */
export type EmbeddingProvider =
  | { readonly provider: "workers-ai"; readonly model: string; readonly binding: Ai }
  | {
      readonly provider: "openai-compatible";
      readonly model: string;
      readonly baseUrl: string;
      /** Servers on the same machine mostly need none. */
      readonly apiKey?: string;
    };

/**
 * The vectors of one request take less than 6 MiB as JSON, even with the maximum number of dimensions; a larger
 * response is something else.
 */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The response was larger than any list of vectors that was asked for. */
export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

/**
 * Fetches a response without following redirects, so that the texts are sent only to the configured address, and reads
 * at most MAX_ANSWER_BYTES of it.
 */
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
