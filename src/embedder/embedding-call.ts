/**
 * Makes one call of an embedding model with the AI SDK. Imported only by `embedder.ts`, and lazily, because most
 * isolates never need the SDK.
 */
import { APICallError, embedMany, InvalidResponseDataError, TypeValidationError } from "ai";
import { parseRetryAfter } from "../summarizer/retry-after.ts";
import { failureKindOf } from "../summarizer/summarizer-error.ts";
import { EmbedderError } from "./embedder-error.ts";
import type { AskVectors } from "./embedder.ts";
import { AnswerTooLarge, createEmbeddingModel, type EmbeddingProvider } from "./embedding-models.ts";

// The SDK prints warnings to the console, bypassing our log.
globalThis.AI_SDK_LOG_WARNINGS = false;

function advice(status: number): string {
  if (status === 401 || status === 403) return ": check THREADKEEP_EMBEDDINGS_API_KEY";
  if (status === 404) return ": check the name in THREADKEEP_EMBEDDINGS, and THREADKEEP_EMBEDDINGS_BASE_URL";
  return status < 400 ? ": THREADKEEP_EMBEDDINGS_BASE_URL redirects; set the address it leads to" : "";
}

/** Uses only status and name, because a provider's message may quote the texts. */
function failureOf(error: unknown): EmbedderError {
  if (InvalidResponseDataError.isInstance(error) || TypeValidationError.isInstance(error)) {
    return new EmbedderError("invalid_answer", "an answer without a vector for each text");
  }
  if (!APICallError.isInstance(error)) {
    return new EmbedderError("unreachable", error instanceof Error ? error.name : "failed");
  }
  const { statusCode: status, responseHeaders, cause } = error;
  if (status === undefined) return new EmbedderError("unreachable", "no connection to the provider of embeddings");
  const retryAfterSeconds = parseRetryAfter(responseHeaders?.["retry-after"], Date.now());
  const facts = { status, retryAfterSeconds };
  if (status < 200 || status >= 300) {
    return new EmbedderError(failureKindOf(status), `HTTP ${status}${advice(status)}`, facts);
  }
  if (cause instanceof AnswerTooLarge) return new EmbedderError("invalid_answer", cause.message, facts);
  if (TypeValidationError.isInstance(cause)) {
    return new EmbedderError("invalid_answer", "an answer without a vector for each text", facts);
  }
  // A successful response that could not be read was cut off, or does not come from a model.
  return new EmbedderError("unreachable", `HTTP ${status} without an answer of a model`, facts);
}

/** Makes a function that asks the configured model. It throws an EmbedderError, except after its signal was aborted. */
export function createAskVectors(provider: EmbeddingProvider): AskVectors {
  const model = createEmbeddingModel(provider);
  return async (texts, signal) => {
    try {
      // The session decides about retries; a second policy here would multiply paid calls.
      const { embeddings, usage } = await embedMany({ model, values: [...texts], maxRetries: 0, abortSignal: signal });
      return { vectors: embeddings, tokens: Number.isFinite(usage.tokens) ? usage.tokens : null };
    } catch (error) {
      throw failureOf(error);
    }
  };
}
