/** Asks the configured model for the next turn of a chat. The inspector uses it to try out a context. */

import type { AiSdkContext } from "../api/context-ai-sdk.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { costOf } from "./model-summarizer.ts";
import type { ModelSettings } from "./models.ts";

/** An answer that is being streamed. */
interface Answering {
  /** The pieces of the answer. Iterating throws a `ThreadkeepError` if the model fails. */
  readonly words: AsyncIterable<string>;
  /** Known once the answer has ended; undefined if the provider does not report usage. */
  usage(): SummarizerUsage | undefined;
}

export type ChatPrompt = Pick<AiSdkContext, "system" | "messages">;

export interface ChatModel {
  /** The name as in summaries: `anthropic/claude-haiku-4-5`. */
  readonly name: string;
  answer(prompt: ChatPrompt, signal: AbortSignal): Answering;
}

/** Null if no model is configured, so that summaries are extractive. */
export function createChatModel(settings: ModelSettings): ChatModel | null {
  if (settings.provider === "extractive") return null;
  return {
    name: `${settings.provider}/${settings.model}`,
    answer(prompt, signal) {
      let counted: SummarizerUsage | null = null;
      return {
        words: (async function* words() {
          // Imported on the first call, as for summaries, because loading the SDK takes time.
          const { streamAnswer } = await import("./chat-call.ts");
          yield* streamAnswer(settings, prompt, signal, (usage) => (counted = usage));
        })(),
        usage: () => (counted === null ? undefined : costOf(counted, settings.prices)),
      };
    },
  };
}
