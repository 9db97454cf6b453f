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

/** It has nothing but what each message has, as nearly all of them: to put it together is then a fifth of the work. */
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

/** A message, with its place among the branches. */
function toPlacedMessage(row: MessageRow, places: Places | null): Message {
  return places === null ? toMessage(row) : { ...toMessage(row), ...placeOf(row.seq, places) };
}

/** What tells where messages are among the branches. */
interface Places {
  readonly branch: Branch;
  readonly siblings: Siblings;
}

/** Null where there is one branch. */
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
  const bytes = content === row.content ? row.bytes : wholeBytes([content, row.metadata]);
  return { ...described(row), content, tokensBefore, bytes };
}

/** The items of a version as a summary has them, made once: what counts and renders them finds them again. */
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

/** The same with what making it took. */
export function toVersion(row: SummaryRow, items: readonly VersionedItem[]): SummaryVersion {
  return { ...toSummary(row, items), ...(row.usage === null ? {} : { usage: row.usage }) };
}

/** A version that covers nothing and holds nothing: it stands for none, on a branch that no other version is of. */
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

/** The session that it was made from; what came with that one from others is that one's affair. */
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

/** Older messages that were looked for, and what went wrong with it. */
export interface Retrieval {
  readonly found: readonly RetrievedMessage[];
  /** How far meaning went into it; absent where nobody asked. */
  readonly meaning?: MeaningUse;
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
export function noteTokenizer(unit: Unit, request: ContextRequest): void {
  if (request.maxTokens === undefined && request.atSeq === undefined) unit.store.readIn = tokenizerFor(request);
}

function tokenizerFor({ tokenizer, format = "threadkeep" }: ContextRequest): Tokenizer {
  return tokenizer ?? tokenizerOf(format);
}

/**
 * A context by the session's settings; reads no more rows than fit in it.
 * @param retrieve finds older messages of a branch that matter to the request's query; null if it has none
 * @param maxBytes of its messages
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
    // A caller of `threadkeep` renders the files of tools by itself.
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

/** The context with the bytes of the files that its format sends: what is only named is not read. */
function withSentFiles(unit: Unit, context: Context, request: ContextRequest): Context {
  const { format = "threadkeep", toolFiles } = request;
  // A prompt of one text names every file.
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
    // All other formats tell them in words.
    retrieved:
      format === "threadkeep"
        ? context.retrieved.map((hit) => ({ ...hit, message: whole(hit.message) }))
        : context.retrieved,
  };
}

/** The ids of calls that a provider ran itself: what came of them goes back to it as it was. */
function providerCalls({ messages }: Context): Set<string> {
  const parts = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));
  return new Set(
    parts.flatMap((part) => (part.type === "tool-call" && part.providerExecuted === true ? [part.toolCallId] : [])),
  );
}

/** An agent may take so many messages for one question. */
const MAX_QUESTION_REACH = 1_000;

/** What is not on a branch, what came after its head included. */
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
 * @param totalCost of all messages of the branch
 * @param isShown to a person: with what is kept for the user interface, and with the alternatives of each message
 * @param room what they go into
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
  /** Those of the active branch alone. */
  readonly branch?: "active" | undefined;
  readonly limit: number;
}

/**
 * A page of messages, oldest first: those after `afterSeq`, or else the last ones before `beforeSeq`. `nextCursor` is the next
 * `afterSeq`, or the next `beforeSeq`.
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

/** Null if there is none of this id. */
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

/** A page of summaries, newest first. `before` is the version that the last page ended with. */
export function readSummaries(unit: Unit, before: number | undefined, limit: number): Page<SummaryVersion> {
  const rows = unit.store.summaries.backward(before ?? Number.MAX_SAFE_INTEGER, limit + 1);
  const { data, hasMore } = pageOf(summariesOf(unit, rows), limit);
  return { data, hasMore, nextCursor: hasMore ? String(data.at(-1)?.version) : null };
}

function* summariesOf(unit: Unit, rows: Iterable<SummaryRow>): Generator<SummaryVersion> {
  for (const row of rows) yield toVersion(row, unit.store.summaries.items(row.version));
}

/** A version, and the messages that its items cite, oldest first: as many as an answer takes. */
export function expandSummary(unit: Unit, summary: SummaryVersion): ExpandedSummary {
  const seqs = [...new Set(summary.items.flatMap(ownSources))].toSorted((a, b) => a - b);
  // One more than there may be tells that there are more.
  const rows = unit.store.messages.bySeqs(seqs.slice(0, MAX_EXPANDED_SOURCES + 1));
  const { data, hasMore } = pageOf(messagesOf(unit, rows), MAX_EXPANDED_SOURCES);
  return { ...summary, sources: data, hasMoreSources: hasMore };
}
