import type { CacheTtl, Context, ContextFormat, ContextIn, ContextMeta } from "../api/context.ts";
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
  /** The role that the summary speaks with. */
  readonly summaryRole: "user" | "system";
  readonly roles?: Roles | undefined;
  /** The provider that an `ai-sdk` prompt goes to. */
  readonly provider?: string | undefined;
  readonly toolFiles?: ToolFiles | undefined;
  /** For how long Anthropic is to keep the stable prefix. */
  readonly cacheControl?: CacheTtl | undefined;
  /** Older messages were looked for, whatever was found. */
  readonly isQueried?: boolean;
  /** Makes the hash of the stable prefix; without it that is empty. */
  readonly digest?: Digest;
  /** Writes the messages of that prefix: see `JsonTexts`. */
  readonly writeJson?: WriteJson;
}

/** What a renderer works on. */
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

/** Counts what a format makes of the turns through a message. */
interface Counted {
  readonly through: Seq;
  readonly onTurn: OnTurn;
  /** How many messages of the format that are. */
  messages(): number;
}

interface Opened extends Counted {
  readonly turns: readonly Turn[];
}

/**
 * @param isJoined turns of a user are: a summary alone is joined by the first of them
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

/** The summary where it is to stand among the system's texts, outside of the messages. */
function systemSummary({ summary, summaryRole }: Rendering): string | null {
  return summaryRole === "system" ? summary : null;
}

/** The same prompt with the summary among the messages, if that is its place. */
function spokenSummary(rendering: Rendering): Rendering {
  return rendering.summaryRole === "system" ? { ...rendering, summary: null } : rendering;
}

/** The turns of a prompt, the summary first, put together as the caller wants them or as the format has them. */
function opened(rendering: Rendering, audience: Audience, usual: Roles): Opened {
  const turns = toTurns(prompted(rendering.context), audience);
  const roles = rendering.roles ?? usual;
  const arranged = arrangeTurns(openedTurns(turns, rendering), roles);
  const isJoined = roles !== "as-said";
  // Without a question what was brought back stands before all messages, but for system text that is put before it.
  const isHeadSet = isJoined || rendering.context.messages.some(({ role }) => role === "user");
  return { ...countThrough(arranged, stableThrough(turns, rendering), isJoined, isHeadSet), turns: arranged };
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
    // The last message of the prefix is marked once that is hashed: what was written of it is not what is sent.
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
