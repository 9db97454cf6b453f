/** The context of a session, as a model reads it over MCP. */

import type { ContextMeta } from "../api/context-meta.ts";
import type { ContextRequest, TextContext } from "../api/context.ts";
import { MIN_CONTEXT_TOKENS } from "../api/limits.ts";
import { readContextJson } from "../usecases/context.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { withinResult } from "./budget.ts";
import { fence } from "./fenced-text.ts";

type Omitted = ContextMeta["omitted"];

export interface ToldContext {
  readonly memory: string;
  readonly meta: ContextMeta;
  /** Messages of the active branch that the context contains neither verbatim nor in its summary. */
  readonly omitted: Omitted;
  /** A text that says what the context contains, what it omits, and how to get the rest. */
  readonly more: string;
}

/** How many omitted ranges are listed. If there are more, the last one extends to the end of the others. */
const MAX_OMITTED = 20;

/**
 * The context in the format `text`, which marks its content as data. The budget is in tokens as Claude counts them, and
 * the result is never larger than MCP clients accept.
 */
export async function readContextText(
  call: RequestContext,
  sessionId: string,
  request: Pick<ContextRequest, "query" | "atSeq"> & { readonly maxTokens: number },
): Promise<ToldContext> {
  const { structured } = await withinResult(request.maxTokens, MIN_CONTEXT_TOKENS, async (maxTokens) => {
    const json = await readContextJson(call, sessionId, { ...request, maxTokens, format: "text", tokenizer: "claude" });
    const { text, meta }: TextContext = JSON.parse(json);
    // Messages off the active branch are left out: they are not part of the conversation any more.
    const omitted = joinLast(meta.omitted.filter(({ reason }) => reason !== "branch"));
    return { structured: { memory: fence(text), meta, omitted, more: describeContext(meta, omitted) }, text: "" };
  });
  return structured;
}

function joinLast(omitted: Omitted): Omitted {
  const first = omitted.slice(0, MAX_OMITTED);
  const [next, last, at] = [first.at(-1), omitted.at(-1), first.length - 1];
  if (next === undefined || last === undefined || omitted.length <= MAX_OMITTED) return first;
  return [...first.slice(0, at), { ...next, throughSeq: last.throughSeq }];
}

function describeContext({ sessionId, headSeq, summaryThroughSeq, tokens }: ContextMeta, omitted: Omitted): string {
  const sentences = [`Session ${sessionId} has ${headSeq} ${headSeq === 1 ? "message" : "messages"}.`];
  if (summaryThroughSeq > 0) sentences.push(`The summary covers messages 1 to ${summaryThroughSeq}.`);
  sentences.push(`${tokens.used} of ${tokens.budget} tokens.`);
  const ranges = omitted.map(
    ({ fromSeq, throughSeq, reason }) =>
      `${fromSeq === throughSeq ? fromSeq : `${fromSeq} to ${throughSeq}`} (${reason})`,
  );
  if (ranges.length > 0) {
    sentences.push(
      `Left out: messages ${ranges.join(", ")}. For more: get_context with a larger maxTokens, search_memory with this sessionId, or read_messages.`,
    );
  }
  return sentences.join(" ");
}
