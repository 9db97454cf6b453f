import type { Context, ContextRequest, Tokenizer } from "../../api/context.ts";
import type { MeaningUse } from "../../api/embedding.ts";
import type { PartFault } from "../../api/errors.ts";
import { MAX_HIDDEN_RANGES } from "../../api/limits.ts";
import type { Content, Part, Seq, TokenCount } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import type { Branch, SeqRange } from "../../prompt/branch.ts";
import { assembleContext, type EarlierMessages, type LogMessage, roomForMessages } from "../../prompt/context.ts";
import { wholeBytes } from "../../prompt/held-files.ts";
import type { RetrievedMessage } from "../../prompt/retrieved.ts";
import { tellRetrieval } from "../../prompt/told-retrieval.ts";
import { tokenizerOf } from "../../tokens/tokenizers.ts";
import { messageCostOf, type MessageRow, settingsOf, type SizedMessageRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { described, placesOf, prompted, toSummary, isEmptyVersion } from "./message-form.ts";
import type { Room } from "./page-sizes.ts";

/** Reads what a context is made of from the stores, and has it assembled. */

function toLogMessage(row: SizedMessageRow, keepsData: boolean, tokensBefore: TokenCount): LogMessage {
  const content = row.content === null || keepsData ? row.content : prompted(row.content);
  // Parts that do not go into the prompt do not count for its size.
  const bytes = content === row.content ? row.bytes : wholeBytes([content, row.metadata]);
  return { ...described(row), content, tokensBefore, bytes };
}

/** The older messages that were found for a query, or the error. */
export interface Retrieval {
  readonly found: readonly RetrievedMessage[];
  /** How the query's vector was used; undefined if none was asked for. */
  readonly meaning?: MeaningUse;
  readonly error: PartFault | null;
}

/** A context, and about how many bytes of messages and items were read for it. */
interface ContextReading {
  readonly context: Context;
  readonly bytes: number;
}

/** An upper bound on the bytes of items as JSON, without serialising them for each context. */
function itemsBytes(items: readonly Item[]): number {
  return items.reduce((sum, { text, sourceSeqs }) => sum + 3 * text.length + 8 * sourceSeqs.length + 200, 0);
}

/** Remembers the tokenizer of a context that uses the session's own budget: see `SessionStore.readIn`. */
export function noteTokenizer(unit: Unit, request: ContextRequest): void {
  if (request.maxTokens === undefined && request.atSeq === undefined) unit.store.readIn = tokenizerFor(request);
}

function tokenizerFor({ tokenizer, format = "threadkeep" }: ContextRequest): Tokenizer {
  return tokenizer ?? tokenizerOf(format);
}

/**
 * Assembles a context by the session's settings. It reads only about as many messages as fit into it.
 * @param retrieve finds older messages of a branch that are relevant to the request's query; null if it has none
 * @param maxBytes the most bytes of messages that it may contain
 */
export function readContext(
  unit: Unit,
  request: ContextRequest,
  retrieve: ((branch: Branch) => Retrieval) | null,
  maxBytes: number,
): ContextReading {
  const { store } = unit;
  const tip = store.messages.tip();
  const { seq: headSeq, lastSeq } = tip ?? { seq: 0, lastSeq: 0 };
  const asked = request.atSeq ?? headSeq;
  const atSeq = asked > lastSeq ? headSeq : asked;
  const isNow = tip !== null && atSeq === headSeq;
  const branch = isNow ? tip.branch : store.branches.through(atSeq);
  const totalCost = isNow ? tip.totalCost : store.totals.costOn(branch, atSeq);
  const row = store.summaries.shownAt(branch);
  const items = row === null ? [] : store.summaries.items(row.version);
  const summary = row === null || isEmptyVersion(row, items) ? null : toSummary(row, items);
  const retrieval = retrieve?.(branch) ?? null;
  const pendingThroughSeq = store.jobs.pendingThrough("summarize");
  noteTokenizer(unit, request);
  const budget = {
    maxTokens: request.maxTokens ?? settingsOf(unit.session).maxTokens,
    tokenizer: tokenizerFor(request),
  };
  const room = { tokens: roomForMessages(summary?.tokens ?? 0, budget), average: totalCost / Math.max(1, atSeq) };
  let bytes = itemsBytes(summary?.items ?? []);
  const sized = function* (): Generator<LogMessage> {
    const throughSeq = (row?.throughSeq ?? 0) + 1;
    const messages = newestFirst(unit, branch, totalCost, throughSeq, request.format === "ui", room);
    for (const message of messages) {
      bytes += message.bytes;
      yield message;
    }
  };
  const context = assembleContext({
    sessionId: unit.session.session,
    headSeq,
    atSeq,
    summary,
    newestFirst: sized(),
    hiddenSeqs: row === null ? [] : store.summaries.hiddenRanges(row.throughSeq, MAX_HIDDEN_RANGES),
    offBranch: request.atSeq === undefined ? offBranch(branch, lastSeq) : branch.off,
    earlier: earlierMessages(unit, branch, row?.throughSeq ?? 0),
    candidates: retrieval?.found ?? null,
    ...budget,
    maxBytes,
    // In the format `threadkeep`, the client itself decides how to send files of tools.
    sendsToolFiles: request.toolFiles === "sent" || (request.format ?? "threadkeep") === "threadkeep",
    summaryPending: pendingThroughSeq !== null,
    ...(pendingThroughSeq === null ? {} : { pendingThroughSeq }),
    unsummarizedTokens: () => totalCost - store.totals.costOn(branch, row?.throughSeq ?? 0),
  });
  const error = retrieval?.error ?? null;
  const sent = withSentFiles(unit, context, request);
  const told = { ...tellRetrieval(retrieval?.meaning), ...(error === null ? {} : { retrievalError: error }) };
  return { context: { ...sent, ...told }, bytes };
}

/**
 * Puts the bytes of those files that the format sends into the context. The others stay references, and are not read.
 */
function withSentFiles(unit: Unit, context: Context, request: ContextRequest): Context {
  const { format = "threadkeep", toolFiles } = request;
  // In this format every file is only named.
  if (format === "text") return context;
  const isAllSent = format === "threadkeep" || format === "ui" || toolFiles === "sent";
  const own = isAllSent ? new Set<string>() : providerCalls(context);
  const isSent = (part: Part): boolean =>
    isAllSent || part.type !== "tool-result" || part.providerExecuted === true || own.has(part.toolCallId);
  const whole = <M extends { readonly content: Content }>(message: M): M => {
    const content = unit.store.files.whole(message.content, isSent);
    return content === message.content ? message : { ...message, content };
  };
  return {
    ...context,
    messages: context.messages.map(whole),
    // The other formats write retrieved messages as text.
    retrieved:
      format === "threadkeep"
        ? context.retrieved.map((hit) => ({ ...hit, message: whole(hit.message) }))
        : context.retrieved,
  };
}

/** The ids of tool calls that the provider ran itself: their results are sent back to it unchanged. */
function providerCalls({ messages }: Context): Set<string> {
  const parts = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));
  return new Set(
    parts.flatMap((part) => (part.type === "tool-call" && part.providerExecuted === true ? [part.toolCallId] : [])),
  );
}

/**
 * How many messages before the head the newest question of a user is looked for: an agent may write this many for one
 * question.
 */
const MAX_QUESTION_REACH = 1_000;

/** The messages that are not on a branch, with those after its head. */
function offBranch({ headSeq, off }: Branch, lastSeq: Seq): readonly SeqRange[] {
  return headSeq < lastSeq ? [...off, { fromSeq: headSeq + 1, throughSeq: lastSeq }] : off;
}

function earlierMessages(unit: Unit, branch: Branch, throughSeq: Seq): EarlierMessages {
  const { store } = unit;
  const { headSeq } = branch;
  const earlier = (row: MessageRow): LogMessage => ({
    ...described(row),
    content: row.content === null ? null : prompted(row.content),
    tokensBefore: 0,
    bytes: wholeBytes([row.content, row.metadata]),
  });
  return {
    question() {
      const row = store.messages.newestOf("user", branch, throughSeq, Math.max(1, headSeq - MAX_QUESTION_REACH));
      return row === null ? null : earlier(row);
    },
    *covered() {
      const totalCost = store.totals.costOn(branch, throughSeq);
      yield* newestFirst(unit, { ...branch, headSeq: throughSeq }, totalCost, 1, false);
    },
    *instructions() {
      for (const row of store.messages.instructions(branch, headSeq)) yield earlier(row);
    },
  };
}

/**
 * The messages of a branch from its head down to `throughSeq`, for a context.
 * @param totalCost what all messages of the branch take of a context's budget
 * @param isShown whether a person sees them: then `data-*` parts and the alternatives of each message are included
 * @param room the budget that they are for
 */
function* newestFirst(
  unit: Unit,
  branch: Branch,
  totalCost: TokenCount,
  throughSeq: Seq,
  isShown: boolean,
  room?: Room,
): Generator<LogMessage> {
  const { store } = unit;
  const siblings = isShown ? (placesOf(store)?.siblings ?? null) : null;
  let tokensBefore = totalCost;
  for (const row of store.messages.backwardOn(branch, branch.headSeq, throughSeq, "told", room)) {
    tokensBefore -= messageCostOf(row);
    const message = toLogMessage(row, isShown, tokensBefore);
    const alternatives = siblings?.of(row.seq) ?? [];
    yield alternatives.length === 0 ? message : { ...message, siblings: alternatives };
  }
}
