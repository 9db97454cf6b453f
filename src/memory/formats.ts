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
import { renderRetrieved } from "./retrieved.ts";

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
  "openai-chat": (context, opening, meta) => ({ messages: toOpenaiChat(toTurns(prompted(context)), opening), meta }),
  "openai-responses": (context, opening, meta) => ({
    ...toOpenaiResponses(toTurns(prompted(context)), opening),
    meta,
  }),
  anthropic: (context, opening, meta) => ({ ...toAnthropic(toTurns(prompted(context)), opening), meta }),
  "ai-sdk": (context, opening, meta) => ({ ...toAiSdk(toTurns(prompted(context)), opening), meta }),
  ui: (context, opening, meta) => ({ messages: toUi(prompted(context), opening), meta }),
  text: (context, opening, meta) => ({ text: toText(context.messages, retrievedText(context), opening), meta }),
};

/** The messages, and what the query brought back at the very end, so that a provider's prompt cache keeps hitting before it. */
function prompted(context: Context): Context["messages"] {
  const { messages } = context;
  const content = retrievedText(context);
  const newest = messages.at(-1);
  if (content === null || newest === undefined) return messages;
  return [...messages, { ...RETRIEVED, seq: newest.seq, createdAt: newest.createdAt, content }];
}

/** Null where nothing was brought back, and where there is no message that it could stand after. */
function retrievedText({ messages, retrieved }: Context): string | null {
  return messages.length === 0 || retrieved.length === 0 ? null : renderRetrieved(retrieved);
}

const RETRIEVED = { id: "retrieved", role: "user", tokens: 0 } as const;

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
    ...(context.retrievalError === undefined ? {} : { retrievalError: context.retrievalError }),
    tokens: context.tokens,
  };
}
