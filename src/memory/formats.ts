import type { Context, ContextFormat, ContextIn, ContextMeta } from "../contracts/context.ts";
import { toAiSdk } from "./formats/ai-sdk.ts";
import { toAnthropic } from "./formats/anthropic.ts";
import { toOpenaiChat } from "./formats/openai-chat.ts";
import { toOpenaiResponses } from "./formats/openai-responses.ts";
import type { Opening } from "./formats/opening.ts";
import { toText } from "./formats/text.ts";
import { toTurns } from "./formats/turns.ts";
import { toUi } from "./formats/ui.ts";
import { renderItems } from "./items.ts";

export interface RenderOptions<F extends ContextFormat> {
  readonly format: F;
  /** The role that the summary speaks with. */
  readonly summaryRole: "user" | "system";
}

type Renderers = {
  readonly [F in ContextFormat]: (context: Context, opening: Opening, meta: ContextMeta) => ContextIn<F>;
};

const renderers: Renderers = {
  threadkeep: (context) => context,
  "openai-chat": ({ messages }, opening, meta) => ({ messages: toOpenaiChat(toTurns(messages), opening), meta }),
  "openai-responses": ({ messages }, opening, meta) => ({ ...toOpenaiResponses(toTurns(messages), opening), meta }),
  anthropic: ({ messages }, opening, meta) => ({ ...toAnthropic(toTurns(messages), opening), meta }),
  "ai-sdk": ({ messages }, opening, meta) => ({ ...toAiSdk(toTurns(messages), opening), meta }),
  ui: ({ messages }, opening, meta) => ({ messages: toUi(messages, opening), meta }),
  text: ({ messages }, opening, meta) => ({ text: toText(messages, opening), meta }),
};

/** A context in the form that a caller's model API takes: summary first, then the messages. */
export function renderContext<F extends ContextFormat>(
  context: Context,
  { format, summaryRole }: RenderOptions<F>,
): ContextIn<F> {
  return renderers[format](context, { summary: summaryText(context), summaryRole }, metaOf(context));
}

function summaryText(context: Context): string | null {
  const items = context.summary?.items ?? [];
  return items.some((item) => item.status !== "superseded") ? renderItems(items) : null;
}

function metaOf(context: Context): ContextMeta {
  return {
    sessionId: context.sessionId,
    headSeq: context.headSeq,
    atSeq: context.atSeq,
    summaryThroughSeq: context.summary?.throughSeq ?? 0,
    summaryPending: context.summaryPending,
    omitted: context.omitted,
    tokens: context.tokens,
  };
}
