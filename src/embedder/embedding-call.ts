/** One call of an embedding model through the AI SDK. Only `embedder` imports it, and lazily: most isolates never need the SDK. */
import { APICallError, embedMany, InvalidResponseDataError, TypeValidationError } from "ai";
import { parseRetryAfter } from "../summarizer/retry-after.ts";
import { failureKindOf } from "../summarizer/summarizer-error.ts";
import { EmbedderError } from "./embedder-error.ts";
import type { AskVectors } from "./embedder.ts";
import { AnswerTooLarge, createEmbeddingModel, type EmbeddingProvider } from "./embedding-models.ts";

// The SDK prints warnings to the console, past our log.
globalThis.AI_SDK_LOG_WARNINGS = false;

function advice(status: number): string {
  if (status === 401 || status === 403) return ": check THREADKEEP_EMBEDDINGS_API_KEY";
  if (status === 404) return ": check the name in THREADKEEP_EMBEDDINGS, and THREADKEEP_EMBEDDINGS_BASE_URL";
  return status < 400 ? ": THREADKEEP_EMBEDDINGS_BASE_URL redirects; set the address it leads to" : "";
}

/** By status and name alone: a provider's own words may quote what was to be embedded. */
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
  // A success that could not be read was cut off, or comes from something that is no model.
  return new EmbedderError("unreachable", `HTTP ${status} without an answer of a model`, facts);
}

/** Asks the model that is set up. Whoever aborts the signal knows why it failed; all else is an EmbedderError. */
export function createAskVectors(provider: EmbeddingProvider): AskVectors {
  const model = createEmbeddingModel(provider);
  return async (texts, signal) => {
    try {
      // The job's object decides about retries: a second policy here would multiply calls that cost money.
      const { embeddings, usage } = await embedMany({ model, values: [...texts], maxRetries: 0, abortSignal: signal });
      return { vectors: embeddings, tokens: Number.isFinite(usage.tokens) ? usage.tokens : null };
    } catch (error) {
      throw failureOf(error);
    }
  };
}
