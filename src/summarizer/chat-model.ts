/** The model that is set for summaries, asked for the next turn of a chat: what the inspector tries a context out with. */

import type { AiSdkContext } from "../api/context.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { costOf } from "./model-summarizer.ts";
import type { ModelSettings } from "./models.ts";

/** An answer that is being written. */
export interface Answering {
  /** As it comes. Throws a `ThreadkeepError` if the model fails. */
  readonly words: AsyncIterable<string>;
  /** Known once it has ended; undefined where the provider counts nothing. */
  usage(): SummarizerUsage | undefined;
}

export type ChatPrompt = Pick<AiSdkContext, "system" | "messages">;

export interface ChatModel {
  /** As it stands in summaries: `anthropic/claude-haiku-4-5`. */
  readonly name: string;
  answer(prompt: ChatPrompt, signal: AbortSignal): Answering;
}

/** Null where no model is set: summaries are made of words alone then. */
export function createChatModel(settings: ModelSettings): ChatModel | null {
  if (settings.provider === "extractive") return null;
  return {
    name: `${settings.provider}/${settings.model}`,
    answer(prompt, signal) {
      let counted: SummarizerUsage | null = null;
      return {
        words: (async function* words() {
          // As with summaries: the SDK is evaluated with the first call of a model.
          const { streamAnswer } = await import("./chat-call.ts");
          yield* streamAnswer(settings, prompt, signal, (usage) => (counted = usage));
        })(),
        usage: () => (counted === null ? undefined : costOf(counted, settings.prices)),
      };
    },
  };
}
