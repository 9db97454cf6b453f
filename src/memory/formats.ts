import type { Context, ContextFormat, ContextIn, ContextMeta } from "../contracts/context.ts";
import { toAiSdk } from "./formats/ai-sdk.ts";
import { ANTHROPIC_AUDIENCE } from "./formats/anthropic-blocks.ts";
import { toAnthropic } from "./formats/anthropic.ts";
import { aiSdkAudience, type Audience, NOBODY, type ToolFiles } from "./formats/audience.ts";
import { arrangeTurns, type Roles } from "./formats/merged-turns.ts";
import { toOpenaiChat } from "./formats/openai-chat.ts";
import { instructionsOf, RESPONSES_AUDIENCE, toOpenaiResponses } from "./formats/openai-responses.ts";
import { type Opening, openedTurns } from "./formats/opening.ts";
import { RETRIEVED_ID, toText } from "./formats/text.ts";
import { toTurns, type Turn } from "./formats/turns.ts";
import { toUi } from "./formats/ui.ts";
import { renderItems } from "./items.ts";
import { renderRetrieved } from "./retrieved.ts";

export interface RenderOptions<F extends ContextFormat> {
  readonly format: F;
  /** The role that the summary speaks with. */
  readonly summaryRole: "user" | "system";
  readonly roles?: Roles | undefined;
  /** The provider that an `ai-sdk` prompt goes to. */
  readonly provider?: string | undefined;
  readonly toolFiles?: ToolFiles | undefined;
}

/** What a renderer works on. */
interface Rendering extends Opening {
  readonly context: Context;
  readonly meta: ContextMeta;
  readonly roles: Roles | undefined;
  readonly provider: string | undefined;
  readonly toolFiles: ToolFiles;
}

type Renderers = {
  readonly [F in ContextFormat]: (rendering: Rendering) => ContextIn<F>;
};

const renderers: Renderers = {
  threadkeep: ({ context }) => context,
  "openai-chat": (rendering) => ({
    messages: toOpenaiChat(opened(rendering, NOBODY, "merged")),
    meta: rendering.meta,
  }),
  "openai-responses": (rendering) => ({
    ...instructionsOf(systemSummary(rendering)),
    input: toOpenaiResponses(opened(spokenSummary(rendering), RESPONSES_AUDIENCE, "as-said"), rendering.toolFiles),
    meta: rendering.meta,
  }),
  anthropic: (rendering) => ({
    ...toAnthropic(toTurns(prompted(rendering.context), ANTHROPIC_AUDIENCE), rendering, rendering.toolFiles),
    meta: rendering.meta,
  }),
  "ai-sdk": (rendering) => {
    const turns = opened(spokenSummary(rendering), aiSdkAudience(rendering.provider), "as-said");
    return { ...toAiSdk(turns, systemSummary(rendering), rendering.toolFiles), meta: rendering.meta };
  },
  ui: ({ context, meta, ...opening }) => ({ messages: toUi(prompted(context), opening), meta }),
  text: ({ context, meta, ...opening }) => ({ text: toText(prompted(context), opening), meta }),
};

/** The summary where it is to stand among the system's texts, outside of the messages. */
function systemSummary({ summary, summaryRole }: Rendering): string | null {
  return summaryRole === "system" ? summary : null;
}

/** The same prompt with the summary among the messages, if that is its place. */
function spokenSummary(rendering: Rendering): Rendering {
  return rendering.summaryRole === "system" ? { ...rendering, summary: null } : rendering;
}

/** The turns of a prompt, the summary first, put together as the caller wants them or as the format has them. */
function opened(rendering: Rendering, audience: Audience, usual: Roles): Turn[] {
  const turns = toTurns(prompted(rendering.context), audience);
  return arrangeTurns(openedTurns(turns, rendering), rendering.roles ?? usual);
}

/**
 * The messages, and what the query brought back right after the newest question: behind it a provider's prompt cache has nothing to lose,
 * and nothing of a user's role comes between a tool's result and the model.
 */
function prompted(context: Context): Context["messages"] {
  const { messages, retrieved } = context;
  const newest = messages.at(-1);
  if (retrieved.length === 0 || newest === undefined) return messages;
  const question = messages.findLastIndex(({ role }) => role === "user");
  const { seq, createdAt } = messages[question] ?? newest;
  const found = { ...RETRIEVED, seq, createdAt, content: renderRetrieved(retrieved) };
  return [...messages.slice(0, question + 1), found, ...messages.slice(question + 1)];
}

const RETRIEVED = { id: RETRIEVED_ID, role: "user", tokens: 0 } as const;

/** A context in the form that a caller's model API takes: summary first, then the messages. */
export function renderContext<F extends ContextFormat>(
  context: Context,
  { format, summaryRole, roles, provider, toolFiles = "named" }: RenderOptions<F>,
): ContextIn<F> {
  return renderers[format]({
    context,
    summary: summaryText(context),
    summaryRole,
    meta: metaOf(context),
    roles,
    provider,
    toolFiles,
  });
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
    ...(context.leftOut === undefined ? {} : { leftOut: context.leftOut }),
    ...(context.retrievalError === undefined ? {} : { retrievalError: context.retrievalError }),
    tokens: context.tokens,
  };
}
