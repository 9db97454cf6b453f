/** Imported only by files that are loaded on the first call of a model, because the AI SDK is large. */
import { APICallError } from "ai";
import { failureKindOf, ProviderError } from "./provider-error.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** What an operator may check after a failure. */
export interface ProviderAdvice {
  /** The variable with the model's name. Those with its key and its address are named after it. */
  readonly variable: "THREADKEEP_MODEL" | "THREADKEEP_EMBEDDINGS";
  /** For the other requests that a provider refuses. */
  readonly refused?: string;
}

// The SDK prints warnings to the console, bypassing our log.
globalThis.AI_SDK_LOG_WARNINGS = false;

/**
 * Reads why a call with the AI SDK failed. Uses only status and name, because a provider's message may quote the
 * request, and with it the conversation.
 */
export function readSdkError(error: unknown, advice: ProviderAdvice): ProviderError {
  if (!APICallError.isInstance(error)) {
    return new ProviderError("unreachable", error instanceof Error ? error.name : "failed");
  }
  const { statusCode: status, responseHeaders } = error;
  if (status === undefined) return new ProviderError("unreachable", "no connection to the model's provider");
  const facts = { status, retryAfterSeconds: parseRetryAfter(responseHeaders?.["retry-after"], Date.now()) };
  // A successful response that could not be read was cut off, or does not come from a model.
  if (status >= 200 && status < 300) {
    return new ProviderError("unreachable", `HTTP ${status} without an answer of a model`, facts);
  }
  const told = adviceOn(status, advice);
  return new ProviderError(failureKindOf(status), `HTTP ${status}${told === undefined ? "" : `: ${told}`}`, facts);
}

function adviceOn(status: number, { variable, refused }: ProviderAdvice): string | undefined {
  if (status === 401 || status === 403) return `check ${variable}_API_KEY`;
  if (status === 404) return `check the name in ${variable}, and ${variable}_BASE_URL`;
  if (status < 400) return `${variable}_BASE_URL redirects; set the address it leads to`;
  return status < 500 ? refused : undefined;
}
