import type { AppendResult } from "../src/api/append.ts";
import type { Context, ContextRequest } from "../src/api/context.ts";
import type { Outcome } from "../src/api/errors.ts";
import type { Message } from "../src/api/message.ts";
import type { Page } from "../src/api/page.ts";
import type { SearchRequest, SearchResult } from "../src/api/search.ts";
import type { SessionState } from "../src/api/session.ts";
import { secretsOf } from "./chat-content.ts";
import { checkContext } from "./check-context.ts";
import { messageDifference } from "./check-log.ts";
import { type ModelSession, pathTo, refusalOf } from "./model.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What a session's object answers to reads: what the model says, within every requested limit. */

/** The default number of hits. */
const DEFAULT_HITS = 10;

export function checkAnswer(
  _world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  answer: unknown,
): void {
  const { model } = session;
  switch (method) {
    case "state":
      expectRefusal(answer, model?.status === "copying" ? null : refusalOf(model), "the state");
      if (isOk<SessionState>(answer) && model !== null) checkState(answer.value, model);
      return;
    case "contextJson":
      expectRefusal(answer, refusalOf(model), "a context");
      if (isOk<string>(answer) && model !== null) {
        checkRendered(session, model, args[0] as ContextRequest, JSON.parse(answer.value));
      }
      return;
    case "messages":
      expectRefusal(answer, refusalOf(model), "the messages");
      if (isOk<Page<Message>>(answer) && model !== null) {
        checkPage(answer.value, model, args[0] as { afterSeq?: number; beforeSeq?: number; limit: number });
      }
      return;
    case "searchJson":
      expectRefusal(answer, refusalOf(model), "a search");
      if (isOk<string>(answer) && model !== null) {
        checkSearch(JSON.parse(answer.value) as SearchResult, model, args[0] as SearchRequest);
      }
      return;
    default:
      return;
  }
}

function isOk<T>(answer: unknown): answer is { readonly ok: true; readonly value: T } {
  return typeof answer === "object" && answer !== null && "ok" in answer && answer.ok === true;
}

function expectRefusal(answer: unknown, refusal: string | null, what: string): void {
  const outcome = answer as Outcome<unknown>;
  const code = outcome.ok ? null : outcome.fault.code;
  if (code !== refusal) throw new Violation(3, `${what} answered ${code ?? "ok"}, not ${refusal ?? "ok"}`);
}

function checkState(state: SessionState, model: ModelSession): void {
  if (model.status !== "active") return;
  const { headSeq: head, log } = model;
  if (state.lastSeq !== log.length)
    throw new Violation(1, `the state's lastSeq is ${state.lastSeq}, not ${log.length}`);
  if (state.headSeq !== head) throw new Violation(1, `the state's headSeq is ${state.headSeq}, not ${head}`);
}

// Contexts

function checkRendered(
  session: SimulatedSession,
  model: ModelSession,
  request: ContextRequest,
  rendered: unknown,
): void {
  const { format = "threadkeep" } = request;
  if (format === "threadkeep") checkOwn(session, model, request, rendered as Context);
  else checkMeta(rendered, request, format);
}

function checkOwn(session: SimulatedSession, model: ModelSession, request: ContextRequest, context: Context): void {
  const { maxTokens, atSeq } = request;
  checkContext(context, model, {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(atSeq === undefined ? {} : { atSeq }),
  });
  checkRetrieved(session, model, context);
}

/** Retrieved messages are verbatim, once, and not also among the recent ones. */
function checkRetrieved({ label }: SimulatedSession, model: ModelSession, context: Context): void {
  const there = new Set(context.messages.map(({ seq }) => seq));
  for (const { message } of context.retrieved) {
    const { seq } = message;
    const said = model.log[seq - 1];
    if (said === undefined || said.content === null) {
      throw new Violation(9, `seq ${seq} of ${label} is erased, but is retrieved for a query`);
    }
    if (!pathTo(model.log, context.atSeq).has(seq)) {
      throw new Violation(5, `seq ${seq} is off the branch, but is retrieved for a query`);
    }
    if (seq > context.atSeq) throw new Violation(5, `a context as of ${context.atSeq} retrieves seq ${seq}`);
    if (there.has(seq)) throw new Violation(5, `seq ${seq} is in the context twice`);
    there.add(seq);
  }
}

/** The context that an append returns is of the state after it. */
export function checkAppendedContext(
  session: SimulatedSession,
  after: ModelSession,
  request: ContextRequest,
  { context }: AppendResult,
): void {
  // A failure of the context is reported in its place, and changes nothing.
  if (context === undefined || isFault(context)) return;
  checkRendered(session, after, request, context);
}

function isFault(value: unknown): boolean {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value;
}

function checkMeta(rendered: unknown, { maxTokens }: ContextRequest, format: string): void {
  const meta = typeof rendered === "object" && rendered !== null && "meta" in rendered ? rendered.meta : null;
  const tokens =
    typeof meta === "object" && meta !== null && "tokens" in meta ? (meta.tokens as Context["tokens"]) : null;
  if (tokens === null) throw new Violation(5, `the format ${format} has no token counts in its meta`);
  if (tokens.used > tokens.budget)
    throw new Violation(6, `in ${format} the context takes ${tokens.used} of ${tokens.budget}`);
  if (maxTokens !== undefined && tokens.budget !== maxTokens)
    throw new Violation(6, `in ${format} the budget is ${tokens.budget}, not ${maxTokens}`);
}

// Pages and searches

function checkPage(
  page: Page<Message>,
  { log }: ModelSession,
  query: { afterSeq?: number; beforeSeq?: number; limit: number },
): void {
  const { afterSeq = 0, beforeSeq, limit } = query;
  const there = log.filter(({ seq }) => seq > afterSeq && (beforeSeq === undefined || seq < beforeSeq));
  const expected = beforeSeq === undefined ? there.slice(0, limit) : there.slice(-limit);
  const seqs = page.data.map(({ seq }) => seq).join();
  if (page.data.length > limit) throw new Violation(1, `a page of ${limit} messages holds ${page.data.length}`);
  if (seqs !== expected.map(({ seq }) => seq).join() || page.hasMore !== there.length > expected.length) {
    throw new Violation(1, `the page ${JSON.stringify(query)} holds ${seqs}, hasMore ${page.hasMore}`);
  }
}

function checkSearch(
  { data, indexedThroughSeq, headSeq }: SearchResult,
  { log, headSeq: head }: ModelSession,
  request: SearchRequest,
) {
  const path = pathTo(log, head);
  const { query, limit = DEFAULT_HITS } = request;
  if (headSeq !== head) throw new Violation(1, `a search tells headSeq ${headSeq}, not ${head}`);
  if (data.length > limit) throw new Violation(5, `a search for ${limit} messages finds ${data.length}`);
  for (const { message, snippet } of data) {
    const said = log[message.seq - 1];
    if (!path.has(message.seq)) throw new Violation(5, `seq ${message.seq} is off the branch, but is found`);
    if (said === undefined || said.content === null) {
      throw new Violation(9, `seq ${message.seq} is erased, but is found`);
    }
    const different = messageDifference(message, said);
    if (different !== null) throw new Violation(5, `a search: ${different}`);
    const known = new Set(secretsOf([said.content, said.metadata]));
    const other = secretsOf(snippet).find((secret) => !known.has(secret));
    if (other !== undefined)
      throw new Violation(9, `the snippet of seq ${message.seq} contains ${other}, which the message does not`);
  }
  // A word that is searched alone is found wherever it is, as far as there is room.
  if (data.length === limit) return;
  for (const { seq, content } of log) {
    if (!path.has(seq) || seq > indexedThroughSeq || content === null || textOf(content) === null) continue;
    const isMeant = secretsOf(textOf(content)).includes(query);
    if (isMeant && !data.some(({ message }) => message.seq === seq)) {
      throw new Violation(5, `a search for ${query} does not find seq ${seq}, which says it`);
    }
  }
}

/** What a person reads of a message; null if there is nothing. */
function textOf(content: ModelSession["log"][number]["content"]): string | null {
  if (content === null || typeof content === "string") return content;
  const texts = content.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return texts.length === 0 ? null : texts.join("\n");
}
