/**
 * Makes one call of an embedding model with the AI SDK. Imported only by `embedder.ts`, and lazily, because most
 * isolates never need the SDK.
 */
import { APICallError, embedMany, InvalidResponseDataError, TypeValidationError } from "ai";
import { ProviderError } from "../provider/provider-error.ts";
import { readSdkError } from "../provider/sdk-error.ts";
import type { AskVectors } from "./embedder.ts";
import { AnswerTooLarge, createEmbeddingModel, type EmbeddingProvider } from "./embedding-models.ts";

function failureOf(error: unknown): ProviderError {
  const failure = readSdkError(error, { variable: "THREADKEEP_EMBEDDINGS" });
  const { status, retryAfterSeconds } = failure;
  // That a successful response is no list of vectors is the cause of the SDK's error, or the error itself.
  const cause = APICallError.isInstance(error) && status !== undefined && status < 300 ? error.cause : error;
  const isInvalid = InvalidResponseDataError.isInstance(cause) || TypeValidationError.isInstance(cause);
  if (!isInvalid && !(cause instanceof AnswerTooLarge)) return failure;
  const detail = isInvalid ? "an answer without a vector for each text" : cause.message;
  return new ProviderError("invalid_answer", detail, { status, retryAfterSeconds });
}

/** Makes a function that asks the configured model. It throws a ProviderError, except after its signal was aborted. */
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
