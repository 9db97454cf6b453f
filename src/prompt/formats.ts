import type { CacheTtl } from "../api/context-anthropic.ts";
import type { ContextMeta } from "../api/context-meta.ts";
import type { Context, ContextFormat, ContextIn } from "../api/context.ts";
import type { Seq } from "../api/message.ts";
import { toAiSdk } from "./formats/ai-sdk.ts";
import { ANTHROPIC_AUDIENCE } from "./formats/anthropic-blocks.ts";
import { markCached, toAnthropic } from "./formats/anthropic.ts";
import { aiSdkAudience, type Audience, NOBODY, type ToolFiles } from "./formats/audience.ts";
import { arrangeTurns, type Roles } from "./formats/merged-turns.ts";
import { toOpenaiChat } from "./formats/openai-chat.ts";
import { instructionsOf, RESPONSES_AUDIENCE, toOpenaiResponses } from "./formats/openai-responses.ts";
import { type Opening, openedTurns } from "./formats/opening.ts";
import {
  type Asked,
  type Digest,
  type Hashing,
  hashedPrefix,
  type Prefix,
  stableBeforeQuestion,
  stableThrough,
  turnsThrough,
  type WriteJson,
} from "./formats/prefix.ts";
import { joinTexts, RETRIEVED_ID, toTexts } from "./formats/text.ts";
import { type OnTurn, toTurns, type Turn } from "./formats/turns.ts";
import { toUi } from "./formats/ui.ts";
import { renderSummary } from "./items.ts";
import { renderRetrieved } from "./retrieved.ts";

export interface RenderOptions<F extends ContextFormat> {
  readonly format: F;
  /** The role in which the summary is given to the model. */
  readonly summaryRole: "user" | "system";
  readonly roles?: Roles | undefined;
  /** The provider for which an `ai-sdk` prompt is made. */
  readonly provider?: string | undefined;
  readonly toolFiles?: ToolFiles | undefined;
  /** How long Anthropic is to cache the stable prefix. */
  readonly cacheControl?: CacheTtl | undefined;
  /** Whether the caller gave a query, even if nothing was found. */
  readonly isQueried?: boolean;
  /** Hashes the stable prefix; without it the hash is empty. */
  readonly digest?: Digest;
  /** Serializes the messages of the stable prefix: see `JsonTexts`. */
  readonly writeJson?: WriteJson;
}

/** The input of a renderer. */
interface Rendering extends Opening, Asked, Hashing {
  readonly roles: Roles | undefined;
  readonly provider: string | undefined;
  readonly toolFiles: ToolFiles;
  readonly cacheControl: CacheTtl | undefined;
}

type Renderers = {
  readonly [F in ContextFormat]: (rendering: Rendering) => ContextIn<F>;
};

const renderers: Renderers = {
  threadkeep: (rendering) => {
    const through = stableBeforeQuestion(rendering);
    const { context } = rendering;
    const prefix = context.messages.filter(({ seq }) => seq <= through);
    return { ...context, ...hashedPrefix(through, rendering.summary ?? undefined, prefix, rendering) };
  },
  "openai-chat": (rendering) => {
    const { turns, ...counted } = opened(rendering, NOBODY, "merged");
    const messages = toOpenaiChat(turns, counted.onTurn);
    const prefix = hashedPrefix(counted.through, undefined, messages.slice(0, counted.messages()), rendering);
    return { messages, meta: metaOf(rendering, prefix) };
  },
  "openai-responses": (rendering) => {
    const { turns, ...counted } = opened(spokenSummary(rendering), RESPONSES_AUDIENCE, "as-said");
    const system = instructionsOf(systemSummary(rendering));
    const input = toOpenaiResponses(turns, rendering.toolFiles, counted.onTurn);
    const prefix = hashedPrefix(counted.through, system.instructions, input.slice(0, counted.messages()), rendering);
    return { ...system, input, meta: metaOf(rendering, prefix) };
  },
  anthropic: (rendering) => {
    const turns = toTurns(prompted(rendering.context), ANTHROPIC_AUDIENCE);
    const counted = countThrough(turns, stableThrough(turns, rendering), true, true);
    const prompt = toAnthropic(turns, rendering, rendering.toolFiles, counted.onTurn);
    const stable = prompt.messages.slice(0, counted.messages());
    const prefix = hashedPrefix(counted.through, prompt.system, stable, rendering);
    const { cacheControl } = rendering;
    if (cacheControl !== undefined) markCached(stable.at(-1), cacheControl);
    return { ...prompt, meta: metaOf(rendering, prefix) };
  },
  "ai-sdk": (rendering) => {
    const { turns, ...counted } = opened(spokenSummary(rendering), aiSdkAudience(rendering.provider), "as-said");
    const prompt = toAiSdk(turns, systemSummary(rendering), rendering.toolFiles, counted.onTurn);
    const prefix = hashedPrefix(
      counted.through,
      prompt.system,
      prompt.messages.slice(0, counted.messages()),
      rendering,
    );
    return { ...prompt, meta: metaOf(rendering, prefix) };
  },
  ui: (rendering) => {
    const through = stableBeforeQuestion(rendering);
    const listed = prompted(rendering.context);
    const messages = toUi(listed, rendering);
    const later = new Set(listed.filter(({ seq, id }) => seq > through || id === RETRIEVED_ID).map(({ id }) => id));
    const end = messages.findIndex(({ id }) => later.has(id));
    const prefix = hashedPrefix(through, undefined, end === -1 ? messages : messages.slice(0, end), rendering);
    return { messages, meta: metaOf(rendering, prefix) };
  },
  text: (rendering) => {
    const through = stableBeforeQuestion(rendering);
    const texts = toTexts(prompted(rendering.context), rendering);
    const spoken = rendering.context.messages.filter(({ seq }) => seq <= through).length;
    const stable = joinTexts(texts.slice(0, spoken + (rendering.summary === null ? 0 : 1)));
    const prefix = { ...hashedPrefix(through, undefined, [stable], rendering), stableMessages: stable.length };
    return { text: joinTexts(texts), meta: metaOf(rendering, prefix) };
  },
};

/** Counts how many messages of the format the turns through a message become. */
interface Counted {
  readonly through: Seq;
  readonly onTurn: OnTurn;
  /** That number of messages. */
  messages(): number;
}

interface Opened extends Counted {
  readonly turns: readonly Turn[];
}

/**
 * @param isJoined whether adjacent user turns are merged, so that a summary alone is merged with the first user turn
 * @param isHeadSet see `turnsThrough`
 */
function countThrough(turns: readonly Turn[], through: Seq, isJoined: boolean, isHeadSet: boolean): Counted {
  const end = turnsThrough(turns, through, isHeadSet);
  let counted = 0;
  return {
    through,
    onTurn: (index, messages) => {
      if (index === end) counted = messages;
    },
    messages: () => (through === 0 && isJoined ? 0 : counted),
  };
}

/** The summary, if it goes into the system prompt. */
function systemSummary({ summary, summaryRole }: Rendering): string | null {
  return summaryRole === "system" ? summary : null;
}

/** The rendering without its summary, if that goes into the system prompt instead of the messages. */
function spokenSummary(rendering: Rendering): Rendering {
  return rendering.summaryRole === "system" ? { ...rendering, summary: null } : rendering;
}

/**
 * The turns of a prompt, beginning with the summary, with roles arranged as the caller asked or as the format does by
 * default.
 */
function opened(rendering: Rendering, audience: Audience, usual: Roles): Opened {
  const turns = toTurns(prompted(rendering.context), audience);
  const roles = rendering.roles ?? usual;
  const arranged = arrangeTurns(openedTurns(turns, rendering), roles);
  const isJoined = roles !== "as-said";
  // Without a question, the retrieved messages come before all others, except for system messages that are moved to the
  // top.
  const isHeadSet = isJoined || rendering.context.messages.some(({ role }) => role === "user");
  return { ...countThrough(arranged, stableThrough(turns, rendering), isJoined, isHeadSet), turns: arranged };
}

/**
 * The messages, with the retrieved ones inserted right after the newest question: the provider's prompt cache then
 * stays valid up to the question, and no user message comes between a tool's result and the model's answer.
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

/** Renders a context in the format of a model API: the summary first, then the messages. */
export function renderContext<F extends ContextFormat>(
  context: Context,
  {
    format,
    summaryRole,
    roles,
    provider,
    toolFiles = "named",
    cacheControl,
    isQueried = false,
    digest = () => "",
    writeJson = JSON.stringify,
  }: RenderOptions<F>,
): ContextIn<F> {
  return renderers[format]({
    context,
    summary: summaryText(context),
    summaryRole,
    roles,
    provider,
    toolFiles,
    cacheControl,
    isQueried,
    digest,
    // With `cacheControl`, the last message of the prefix gets a cache marker after hashing. Its cached JSON would lack
    // the marker, so the cache is not used.
    writeJson: cacheControl === undefined ? writeJson : JSON.stringify,
  });
}

function summaryText(context: Context): string | null {
  return context.summary === null ? null : (renderSummary(context.summary.items)?.text ?? null);
}

function metaOf({ context }: Rendering, prefix: Prefix): ContextMeta {
  return {
    sessionId: context.sessionId,
    headSeq: context.headSeq,
    atSeq: context.atSeq,
    summaryThroughSeq: context.summary?.throughSeq ?? 0,
    summaryPending: context.summaryPending,
    ...prefix,
    omitted: context.omitted,
    ...(context.leftOut === undefined ? {} : { leftOut: context.leftOut }),
    ...(context.retrievalError === undefined ? {} : { retrievalError: context.retrievalError }),
    ...(context.retrieval === undefined ? {} : { retrieval: context.retrieval }),
    tokens: context.tokens,
  };
}
