import type { Context, ContextRequest, Tokenizer } from "../../api/context.ts";
import type { MeaningUse } from "../../api/embedding.ts";
import type { PartFault } from "../../api/errors.ts";
import { MAX_EXPANDED_SOURCES, MAX_HIDDEN_RANGES } from "../../api/limits.ts";
import type { Content, Message, Part, Seq, TokenCount } from "../../api/message.ts";
import type { Page } from "../../api/page.ts";
import type { Origin, SessionState } from "../../api/session.ts";
import type { ExpandedSummary, Item, Summary, SummaryVersion } from "../../api/summary.ts";
import { type Branch, isOn, type SeqRange, type Siblings } from "../../prompt/branch.ts";
import { assembleContext, type EarlierMessages, type LogMessage, roomForMessages } from "../../prompt/context.ts";
import { wholeBytes } from "../../prompt/held-files.ts";
import { ownSources } from "../../prompt/items.ts";
import type { RetrievedMessage } from "../../prompt/retrieved.ts";
import { tellRetrieval } from "../../prompt/told-retrieval.ts";
import { tokenizerOf } from "../../tokens/tokenizers.ts";
import { ALL_SESSIONS } from "../copies/index.ts";
import { expiryAt } from "../outbox/index.ts";
import {
  messageCostOf,
  toIsoTime,
  type MessageRow,
  pageOf,
  saidTime,
  settingsOf,
  type SizedMessageRow,
  type SummaryRow,
  type VersionedItem,
} from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import { toPlainItem } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { messageId, seqOfServerId } from "./append.ts";
import type { FileView, Room } from "./message-store.ts";

function described(row: MessageRow): Omit<Message, "content"> {
  if (isPlain(row)) {
    const { seq, role, tokens } = row;
    return { id: messageId(row), seq, role, createdAt: toIsoTime(row.createdAt), tokens };
  }
  return {
    id: messageId(row),
    seq: row.seq,
    role: row.role,
    ...(row.author === null ? {} : { author: row.author }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.occurredAt === null ? {} : { occurredAt: saidTime(row) }),
    createdAt: toIsoTime(row.createdAt),
    ...(row.editedAt === null ? {} : { editedAt: toIsoTime(row.editedAt) }),
    ...(row.erasedAt === null ? {} : { erased: true as const }),
    ...(row.isPinned ? { pinned: true as const } : {}),
    ...(row.afterSeq === null ? {} : { afterSeq: row.afterSeq }),
    tokens: row.tokens,
  };
}

/**
 * Whether a message has only the fields that every message has. Nearly all do, and building those takes a fifth of the
 * time.
 */
function isPlain(row: MessageRow): boolean {
  const { author, metadata, occurredAt, editedAt, erasedAt, afterSeq } = row;
  return (
    author === null &&
    metadata === null &&
    occurredAt === null &&
    editedAt === null &&
    erasedAt === null &&
    afterSeq === null &&
    !row.isPinned
  );
}

export function toMessage(row: MessageRow): Message {
  return { ...described(row), content: row.content ?? "" };
}

/** The message with its place among the branches. */
function toPlacedMessage(row: MessageRow, places: Places | null): Message {
  return places === null ? toMessage(row) : { ...toMessage(row), ...placeOf(row.seq, places) };
}

/** What is needed to say where messages are among the branches. */
interface Places {
  readonly branch: Branch;
  readonly siblings: Siblings;
}

/** Null if the session has one branch. */
function placesOf({ branches, messages }: SessionStore): Places | null {
  const tip = branches.isSole ? null : messages.tip();
  return tip === null ? null : { branch: tip.branch, siblings: branches.siblings(tip.lastSeq) };
}

function placeOf(seq: Seq, { branch, siblings }: Places): Pick<Message, "offBranch" | "siblings"> {
  const alternatives = siblings.of(seq);
  return {
    ...(isOn(branch, seq) ? {} : { offBranch: true as const }),
    ...(alternatives.length === 0 ? {} : { siblings: alternatives }),
  };
}

/** The content without `data-*` parts, which are stored for user interfaces and never go into a prompt. */
export function prompted(content: Content): Content {
  if (typeof content === "string" || !content.some(isData)) return content;
  const parts = content.filter((part) => !isData(part));
  return parts.length === 0 ? "" : parts;
}

function isData(part: Part): boolean {
  return part.type.startsWith("data-");
}

function toLogMessage(row: SizedMessageRow, keepsData: boolean, tokensBefore: TokenCount): LogMessage {
  const content = row.content === null || keepsData ? row.content : prompted(row.content);
  // Parts that do not go into the prompt do not count for its size.
  const bytes = content === row.content ? row.bytes : wholeBytes([content, row.metadata]);
  return { ...described(row), content, tokensBefore, bytes };
}

/**
 * The items of a version in the form of the API, kept as long as their rows are, so that later users find the same
 * objects.
 */
const PLAIN_ITEMS = new WeakMap<readonly VersionedItem[], Item[]>();

function plainItems(items: readonly VersionedItem[]): Item[] {
  const known = PLAIN_ITEMS.get(items);
  if (known !== undefined) return known;
  const plain = items.map(toPlainItem).toSorted((a, b) => (ownSources(a)[0] ?? 0) - (ownSources(b)[0] ?? 0));
  PLAIN_ITEMS.set(items, plain);
  return plain;
}

export function toSummary(row: SummaryRow, items: readonly VersionedItem[]): Summary {
  return {
    version: row.version,
    throughSeq: row.throughSeq,
    items: plainItems(items),
    tokens: row.tokens,
    summarizer: row.summarizer,
    degraded: row.degraded,
    droppedItems: row.droppedItems,
    createdAt: toIsoTime(row.createdAt),
  };
}

/** The summary together with the tokens that were spent on it. */
export function toVersion(row: SummaryRow, items: readonly VersionedItem[]): SummaryVersion {
  return { ...toSummary(row, items), ...(row.usage === null ? {} : { usage: row.usage }) };
}

/**
 * Whether a version stands for having no summary: it covers nothing and has no items. Such a version is written on a
 * switch to a branch that has none.
 */
function isEmptyVersion({ throughSeq }: SummaryRow, items: readonly VersionedItem[]): boolean {
  return throughSeq === 0 && items.length === 0;
}

export function readState(unit: Unit): SessionState {
  const { store } = unit;
  const newest = store.messages.head();
  const lastSeq = newest?.seq ?? 0;
  const expiresAt = expiryAt(unit);
  const newestVersion = store.summaries.newest();
  const items = newestVersion === null ? [] : store.summaries.items(newestVersion.version);
  const summary = newestVersion === null || isEmptyVersion(newestVersion, items) ? null : newestVersion;
  return {
    id: unit.session.session,
    createdAt: toIsoTime(unit.session.createdAt),
    headSeq: store.branches.active(lastSeq).headSeq,
    lastSeq,
    messageTokens: newest?.totalCost ?? 0,
    messageBytes: newest?.totalBytes ?? 0,
    summary:
      summary === null
        ? null
        : {
            version: summary.version,
            throughSeq: summary.throughSeq,
            tokens: summary.tokens,
            items: items.length,
            createdAt: toIsoTime(summary.createdAt),
          },
    summaryPending: isSummaryPending(unit),
    ...(store.jobs.isPending("embed") ? { vectorsPending: true as const } : {}),
    archived: unit.session.archivedRev === unit.session.archiveRev,
    ...(unit.session.archiveAside === 0 ? {} : { archiveSetAside: unit.session.archiveAside }),
    status: unit.session.copying === null ? "active" : "copying",
    origin: originOf(unit),
    expiresAt: expiresAt === null ? null : toIsoTime(expiresAt),
    metadata: unit.session.metadata,
    settings: settingsOf(unit.session),
  };
}

/**
 * The session that this one was made from; null if there is none. Sessions from which its items were carried over
 * earlier are not listed here.
 */
function originOf(unit: Unit): Origin | null {
  for (const { session, kind, throughSeq, state } of unit.store.lineage.origins()) {
    if (kind === "further" || session === ALL_SESSIONS) continue;
    return { session, kind, throughSeq, state: state === "stale" ? "done" : state };
  }
  return null;
}

export function isSummaryPending(unit: Unit): boolean {
  return unit.store.jobs.isPending("summarize");
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
  const totalCost = isNow ? tip.totalCost : store.messages.totalCostOn(branch, atSeq);
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
    unsummarizedTokens: () => totalCost - store.messages.totalCostOn(branch, row?.throughSeq ?? 0),
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
      const totalCost = store.messages.totalCostOn(branch, throughSeq);
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

export interface MessageQuery {
  readonly afterSeq?: Seq | undefined;
  readonly beforeSeq?: Seq | undefined;
  /** Only messages of the active branch. */
  readonly branch?: "active" | undefined;
  readonly limit: number;
}

/**
 * A page of messages, the oldest first: those after `afterSeq`, or the last ones before `beforeSeq` if only that is
 * given. `nextCursor` is the `afterSeq` or `beforeSeq` of the next page.
 */
export function readMessages(unit: Unit, query: MessageQuery): Page<Message> {
  const backward = query.afterSeq === undefined && query.beforeSeq !== undefined;
  const { messages } = unit.store;
  const branch = query.branch === "active" ? messages.tip()?.branch : undefined;
  const [from, through] = backward
    ? [1, (query.beforeSeq ?? 1) - 1]
    : [(query.afterSeq ?? 0) + 1, (query.beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1];
  const rowsOn = (on: Branch): Iterable<MessageRow> =>
    backward ? messages.backwardOn(on, through, from) : messages.forwardOn(on, from, through);
  const rowsOfAll = (): Iterable<MessageRow> =>
    backward ? messages.backward(through, from) : messages.forward(from, through);
  const rows = branch === undefined ? rowsOfAll() : rowsOn(branch);
  const { data, hasMore } = pageOf(messagesOf(unit, rows), query.limit);
  const last = data.at(-1);
  const nextCursor = hasMore && last !== undefined ? String(last.seq) : null;
  return { data: backward ? data.toReversed() : data, hasMore, nextCursor };
}

function* messagesOf(unit: Unit, rows: Iterable<MessageRow>): Generator<Message> {
  const places = placesOf(unit.store);
  for (const row of rows) yield toPlacedMessage(row, places);
}

/** The message with this id; null if there is none. */
export function readMessage(unit: Unit, id: string): Message | null {
  const row = findMessage(unit, id);
  return row === null ? null : toPlacedMessage(row, placesOf(unit.store));
}

export function findMessage(unit: Unit, id: string, view: FileView = "whole"): MessageRow | null {
  const { store } = unit;
  const seq = seqOfServerId(id);
  if (seq === null) return store.messages.byClientId(id, view);
  const row = store.messages.bySeq(seq, view);
  return row !== null && messageId(row) === id ? row : null;
}

/**
 * A page of the versions of the summary, the newest first.
 * @param before the last version of the previous page; undefined for the first page
 */
export function readSummaries(unit: Unit, before: number | undefined, limit: number): Page<SummaryVersion> {
  const rows = unit.store.summaries.backward(before ?? Number.MAX_SAFE_INTEGER, limit + 1);
  const { data, hasMore } = pageOf(summariesOf(unit, rows), limit);
  return { data, hasMore, nextCursor: hasMore ? String(data.at(-1)?.version) : null };
}

function* summariesOf(unit: Unit, rows: Iterable<SummaryRow>): Generator<SummaryVersion> {
  for (const row of rows) yield toVersion(row, unit.store.summaries.items(row.version));
}

/** A version with the messages that its items cite, the oldest first: MAX_EXPANDED_SOURCES at most. */
export function expandSummary(unit: Unit, summary: SummaryVersion): ExpandedSummary {
  const seqs = [...new Set(summary.items.flatMap(ownSources))].toSorted((a, b) => a - b);
  // One more than that, to know whether there are more.
  const rows = unit.store.messages.bySeqs(seqs.slice(0, MAX_EXPANDED_SOURCES + 1));
  const { data, hasMore } = pageOf(messagesOf(unit, rows), MAX_EXPANDED_SOURCES);
  return { ...summary, sources: data, hasMoreSources: hasMore };
}
