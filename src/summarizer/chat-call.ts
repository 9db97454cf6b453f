/** One streamed call of a language model through the AI SDK. Only `chat-model` imports it, and lazily. */

import { type ModelMessage, streamText } from "ai";
import { ThreadkeepError } from "../api/errors.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import type { ChatPrompt } from "./chat-model.ts";
import { createLanguageModels, type ModelProvider } from "./language-models.ts";
import { failureOf, usageOf } from "./model-call.ts";

/** A page of text, and room for a model that thinks before it writes. */
const MAX_OUTPUT_TOKENS = 4_096;
/** Somebody looks at the page meanwhile. */
const TIMEOUT_MS = 110_000;
const RETRY_AFTER_SECONDS = 5;

/** @param onUsage told what was taken, where the provider counts it */
export async function* streamAnswer(
  provider: ModelProvider,
  { system, messages }: ChatPrompt,
  signal: AbortSignal,
  onUsage: (usage: SummarizerUsage | null) => void,
): AsyncGenerator<string> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const { stream } = streamText({
    model: createLanguageModels(provider).withSchema,
    ...(system === undefined ? {} : { instructions: system }),
    // The format `ai-sdk` is what the SDK takes.
    messages: messages as ModelMessage[],
    maxOutputTokens: MAX_OUTPUT_TOKENS,
    // A second call would cost money again: whoever looks on decides.
    maxRetries: 0,
    abortSignal: AbortSignal.any([signal, limit]),
    // By itself it prints errors to the console, past our log, and they may quote the chat.
    onError: () => undefined,
  });
  for await (const part of stream) {
    if (part.type === "text-delta") yield part.text;
    else if (part.type === "finish") onUsage(usageOf(part.totalUsage));
    else if (part.type === "error") throw faultOf(part.error);
    else if (part.type === "abort" && limit.aborted) {
      throw unavailable(`The model did not finish within ${TIMEOUT_MS / 1_000} s. Ask again, or set a quicker one.`);
    }
  }
}

function faultOf(error: unknown): ThreadkeepError {
  return unavailable(`The model did not answer: ${failureOf(error).detail}.`);
}

function unavailable(detail: string): ThreadkeepError {
  return new ThreadkeepError({ code: "unavailable", detail, retryAfterSeconds: RETRY_AFTER_SECONDS });
}
