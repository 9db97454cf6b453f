/** Makes one streamed call of a language model with the AI SDK. Imported only by `chat-model.ts`, and lazily. */

import { type ModelMessage, streamText } from "ai";
import { ThreadkeepError } from "../api/errors.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import type { ChatPrompt } from "./chat-model.ts";
import { createLanguageModels, type ModelProvider } from "./language-models.ts";
import { failureOf, usageOf } from "./model-call.ts";

/** A page of text, with room for a model that thinks first. */
const MAX_OUTPUT_TOKENS = 4_096;
/** Somebody is watching the page meanwhile. */
const TIMEOUT_MS = 110_000;
const RETRY_AFTER_SECONDS = 5;

/** @param onUsage is called with the usage, if the provider reports it */
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
    // The `ai-sdk` format is what the SDK accepts.
    messages: messages as ModelMessage[],
    maxOutputTokens: MAX_OUTPUT_TOKENS,
    // A retry would be paid again, so the person at the page decides.
    maxRetries: 0,
    abortSignal: AbortSignal.any([signal, limit]),
    // By default the SDK prints errors to the console, bypassing our log; they may quote the chat.
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
