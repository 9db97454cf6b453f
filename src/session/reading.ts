import type { Context, ContextRequest, Tokenizer } from "../contracts/context.ts";
import type { PartFault } from "../contracts/errors.ts";
import { MAX_EXPANDED_SOURCES, MAX_HIDDEN_RANGES } from "../contracts/limits.ts";
import type { Content, Message, Part, Seq, TokenCount } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import type { Origin, SessionState } from "../contracts/session.ts";
import type { ExpandedSummary, Item, Summary } from "../contracts/summary.ts";
import { jsonBytes } from "../contracts/text.ts";
import { assembleContext, type EarlierMessages, type LogMessage } from "../memory/context.ts";
import { ownSources } from "../memory/items.ts";
import type { RetrievedMessage } from "../memory/retrieved.ts";
import { tokenizerOf } from "../memory/tokenizers.ts";
import { messageId, seqOfServerId } from "./append.ts";
import { ALL_SESSIONS } from "./carrying.ts";
import { expiryAt } from "./idling.ts";
import { pageOf } from "./pages.ts";
import {
  costOf,
  type MessageRow,
  type SessionRow,
  type SizedMessageRow,
  type SummaryRow,
  type VersionedItem,
} from "./rows.ts";
import { settingsOf } from "./settings.ts";
import type { SessionStore } from "./store.ts";
import { toPlainItem } from "./summarizing.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

function described(row: MessageRow): Omit<Message, "content"> {
  return {
    id: messageId(row),
    seq: row.seq,
    role: row.role,
    ...(row.author === null ? {} : { author: row.author }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.occurredAt === null ? {} : { occurredAt: iso(row.occurredAt) }),
    createdAt: iso(row.createdAt),
    ...(row.editedAt === null ? {} : { editedAt: iso(row.editedAt) }),
    ...(row.erasedAt === null ? {} : { erased: true as const }),
    tokens: row.tokens,
  };
}

export function toMessage(row: MessageRow): Message {
  return { ...described(row), content: row.content ?? "" };
}

/** data-* parts are kept for the user interface and never prompted. */
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
  // What is not prompted takes none of the room.
  const bytes = content === row.content ? row.bytes : jsonBytes([content, row.metadata]);
  return { ...described(row), content, tokensBefore, bytes };
}

export function toSummary(row: SummaryRow, items: readonly VersionedItem[]): Summary {
  return {
    version: row.version,
    throughSeq: row.throughSeq,
    items: items.map(toPlainItem).toSorted((a, b) => (ownSources(a)[0] ?? 0) - (ownSources(b)[0] ?? 0)),
    tokens: row.tokens,
    summarizer: row.summarizer,
    degraded: row.degraded,
    droppedItems: row.droppedItems,
    createdAt: iso(row.createdAt),
  };
}

export function readState(store: SessionStore, session: SessionRow): SessionState {
  const newest = store.messages.head();
  const expiresAt = expiryAt(store, session);
  const summary = store.summaries.newest();
  return {
    id: session.session,
    createdAt: iso(session.createdAt),
    headSeq: newest?.seq ?? 0,
    messageTokens: newest?.totalCost ?? 0,
    messageBytes: newest?.totalBytes ?? 0,
    summary:
      summary === null
        ? null
        : {
            version: summary.version,
            throughSeq: summary.throughSeq,
            tokens: summary.tokens,
            items: store.summaries.items(summary.version).length,
            createdAt: iso(summary.createdAt),
          },
    summaryPending: isSummaryPending(store),
    archived: session.archivedRev === session.archiveRev,
    ...(session.archiveAside === 0 ? {} : { archiveSetAside: session.archiveAside }),
    status: session.copying === null ? "active" : "copying",
    origin: originOf(store),
    expiresAt: expiresAt === null ? null : iso(expiresAt),
    metadata: session.metadata,
    settings: settingsOf(session),
  };
}

/** The session that it was made from; what came with that one from others is that one's affair. */
function originOf(store: SessionStore): Origin | null {
  for (const { session, kind, throughSeq, state } of store.lineage.origins()) {
    if (kind === "further" || session === ALL_SESSIONS) continue;
    return { session, kind, throughSeq, state: state === "stale" ? "done" : state };
  }
  return null;
}

export function isSummaryPending(store: SessionStore): boolean {
  return store.jobs.isOwed("summarize");
}

/** Older messages that were looked for, and what went wrong with it. */
export interface Retrieval {
  readonly found: readonly RetrievedMessage[];
  readonly error: PartFault | null;
}

/** A reading of a context, and about how many bytes the messages and the items have that were read for it. */
interface ContextReading {
  readonly context: Context;
  readonly bytes: number;
}

/** At most, without writing them: items are read anew for each context. */
function itemsBytes(items: readonly Item[]): number {
  return items.reduce((sum, { text, sourceSeqs }) => sum + 3 * text.length + 8 * sourceSeqs.length + 200, 0);
}

/** Notes whose tokens a context by the session's own budget is in: see `SessionStore.readIn`. */
export function noteTokenizer(store: SessionStore, request: ContextRequest): void {
  if (request.maxTokens === undefined && request.atSeq === undefined) store.readIn = tokenizerFor(request);
}

function tokenizerFor({ tokenizer, format = "threadkeep" }: ContextRequest): Tokenizer {
  return tokenizer ?? tokenizerOf(format);
}

/**
 * A context by the session's settings; reads no more rows than fit in it.
 * @param retrieve finds older messages up to a seq that matter to the request's query; null if it has none
 * @param maxBytes of its messages
 */
export function readContext(
  store: SessionStore,
  session: SessionRow,
  request: ContextRequest,
  retrieve: ((throughSeq: Seq) => Retrieval) | null,
  maxBytes: number,
): ContextReading {
  const head = store.messages.head();
  const headSeq = head?.seq ?? 0;
  const atSeq = Math.min(request.atSeq ?? headSeq, headSeq);
  const totalCost = atSeq === headSeq ? (head?.totalCost ?? 0) : store.messages.totalCostAt(atSeq);
  const row = store.summaries.at(atSeq);
  const summary = row === null ? null : toSummary(row, store.summaries.items(row.version));
  const retrieval = retrieve?.(atSeq) ?? null;
  const pendingThroughSeq = store.jobs.owedThrough("summarize");
  noteTokenizer(store, request);
  let bytes = itemsBytes(summary?.items ?? []);
  const sized = function* (): Generator<LogMessage> {
    const messages = newestFirst(store, atSeq, totalCost, (row?.throughSeq ?? 0) + 1, request.format === "ui");
    for (const message of messages) {
      bytes += message.bytes;
      yield message;
    }
  };
  const context = assembleContext({
    sessionId: session.session,
    headSeq,
    atSeq,
    summary,
    newestFirst: sized(),
    hiddenSeqs: row === null ? [] : store.summaries.hiddenRanges(row.throughSeq, MAX_HIDDEN_RANGES),
    earlier: earlierMessages(store, atSeq, row?.throughSeq ?? 0),
    candidates: retrieval?.found ?? null,
    maxTokens: request.maxTokens ?? settingsOf(session).maxTokens,
    tokenizer: tokenizerFor(request),
    maxBytes,
    // A caller of `threadkeep` renders the files of tools by itself.
    sendsToolFiles: request.toolFiles === "sent" || (request.format ?? "threadkeep") === "threadkeep",
    summaryPending: pendingThroughSeq !== null,
    ...(pendingThroughSeq === null ? {} : { pendingThroughSeq }),
    unsummarizedTokens: () => totalCost - store.messages.totalCostAt(row?.throughSeq ?? 0),
  });
  const error = retrieval?.error ?? null;
  return { context: error === null ? context : { ...context, retrievalError: error }, bytes };
}

/** An agent may take so many messages for one question. */
const MAX_QUESTION_REACH = 1_000;

function earlierMessages(store: SessionStore, atSeq: Seq, throughSeq: Seq): EarlierMessages {
  const earlier = (row: MessageRow): LogMessage => ({
    ...described(row),
    content: row.content === null ? null : prompted(row.content),
    tokensBefore: 0,
    bytes: jsonBytes([row.content, row.metadata]),
  });
  return {
    question() {
      const row = store.messages.newestOf("user", throughSeq, Math.max(1, atSeq - MAX_QUESTION_REACH));
      return row === null ? null : earlier(row);
    },
    *instructions() {
      for (const row of store.messages.instructions(atSeq)) yield earlier(row);
    },
  };
}

/** @param totalCost of all messages through `fromSeq` */
function* newestFirst(
  store: SessionStore,
  fromSeq: Seq,
  totalCost: TokenCount,
  throughSeq: Seq,
  keepsData: boolean,
): Generator<LogMessage> {
  let tokensBefore = totalCost;
  for (const row of store.messages.backward(fromSeq, throughSeq)) {
    tokensBefore -= costOf(row);
    yield toLogMessage(row, keepsData, tokensBefore);
  }
}

export interface MessageQuery {
  readonly afterSeq?: Seq | undefined;
  readonly beforeSeq?: Seq | undefined;
  readonly limit: number;
}

/**
 * A page of messages, oldest first: those after `afterSeq`, or else the last ones before `beforeSeq`. `nextCursor` is the next
 * `afterSeq`, or the next `beforeSeq`.
 */
export function readMessages(store: SessionStore, query: MessageQuery): Page<Message> {
  const backward = query.afterSeq === undefined && query.beforeSeq !== undefined;
  const rows = backward
    ? store.messages.backward((query.beforeSeq ?? 1) - 1, 1)
    : store.messages.forward((query.afterSeq ?? 0) + 1, (query.beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1);
  const { data, hasMore } = pageOf(messagesOf(rows), query.limit);
  const last = data.at(-1);
  const nextCursor = hasMore && last !== undefined ? String(last.seq) : null;
  return { data: backward ? data.toReversed() : data, hasMore, nextCursor };
}

function* messagesOf(rows: Iterable<MessageRow>): Generator<Message> {
  for (const row of rows) yield toMessage(row);
}

export function findMessage(store: SessionStore, id: string): MessageRow | null {
  const seq = seqOfServerId(id);
  if (seq === null) return store.messages.byClientId(id);
  const row = store.messages.bySeq(seq);
  return row !== null && messageId(row) === id ? row : null;
}

/** A page of summaries, newest first. `before` is the version that the last page ended with. */
export function readSummaries(store: SessionStore, before: number | undefined, limit: number): Page<Summary> {
  const rows = store.summaries.backward(before ?? Number.MAX_SAFE_INTEGER, limit + 1);
  const { data, hasMore } = pageOf(summariesOf(store, rows), limit);
  return { data, hasMore, nextCursor: hasMore ? String(data.at(-1)?.version) : null };
}

function* summariesOf(store: SessionStore, rows: Iterable<SummaryRow>): Generator<Summary> {
  for (const row of rows) yield toSummary(row, store.summaries.items(row.version));
}

/** A version, and the messages that its items cite, oldest first: as many as an answer takes. */
export function expandSummary(store: SessionStore, summary: Summary): ExpandedSummary {
  const seqs = [...new Set(summary.items.flatMap(ownSources))].toSorted((a, b) => a - b);
  // One more than there may be tells that there are more.
  const rows = store.messages.bySeqs(seqs.slice(0, MAX_EXPANDED_SOURCES + 1));
  const { data, hasMore } = pageOf(messagesOf(rows), MAX_EXPANDED_SOURCES);
  return { ...summary, sources: data, hasMoreSources: hasMore };
}
