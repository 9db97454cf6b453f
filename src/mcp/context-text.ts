/** The context of a session, as a model reads it over MCP. */

import type { ContextMeta, ContextRequest, TextContext } from "../api/context.ts";
import { MIN_CONTEXT_TOKENS } from "../api/limits.ts";
import { readContextJson } from "../usecases/context.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { withinResult } from "./budget.ts";
import { fence } from "./fenced-text.ts";

type Omitted = ContextMeta["omitted"];

export interface ToldContext {
  readonly memory: string;
  readonly meta: ContextMeta;
  /** What of the conversation is neither there word for word nor in the summary. */
  readonly omitted: Omitted;
  /** What is there, what is not, and how to get it. */
  readonly more: string;
}

/** So many ranges tell where to look; the last of more takes the others along. */
const MAX_OMITTED = 20;

/** The context in the format `text`, which guards what it holds; so many tokens as Claude counts them, and never more than a client takes. */
export async function readContextText(
  call: RequestContext,
  sessionId: string,
  request: Pick<ContextRequest, "query" | "atSeq"> & { readonly maxTokens: number },
): Promise<ToldContext> {
  const { structured } = await withinResult(request.maxTokens, MIN_CONTEXT_TOKENS, async (maxTokens) => {
    const json = await readContextJson(call, sessionId, { ...request, maxTokens, format: "text", tokenizer: "claude" });
    const { text, meta }: TextContext = JSON.parse(json);
    // What is off the branch is no part of the conversation any more: there is nothing to read after it.
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
  const told = [`Session ${sessionId} has ${headSeq} ${headSeq === 1 ? "message" : "messages"}.`];
  if (summaryThroughSeq > 0) told.push(`The summary covers messages 1 to ${summaryThroughSeq}.`);
  told.push(`${tokens.used} of ${tokens.budget} tokens.`);
  const ranges = omitted.map(
    ({ fromSeq, throughSeq, reason }) =>
      `${fromSeq === throughSeq ? fromSeq : `${fromSeq} to ${throughSeq}`} (${reason})`,
  );
  if (ranges.length > 0) {
    told.push(
      `Left out: messages ${ranges.join(", ")}. For more: get_context with a larger maxTokens, search_memory with this sessionId, or read_messages.`,
    );
  }
  return told.join(" ");
}
