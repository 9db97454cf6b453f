import { MAX_EXPANDED_SOURCES } from "../../api/limits.ts";
import type { Message, Seq } from "../../api/message.ts";
import type { Page } from "../../api/page.ts";
import type { Origin, SessionState } from "../../api/session.ts";
import type { ExpandedSummary, SummaryVersion } from "../../api/summary.ts";
import type { Branch } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { expiryAt } from "../outbox/index.ts";
import { ALL_SESSIONS, toIsoTime, type MessageRow, pageOf, settingsOf, type SummaryRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { messageId, seqOfServerId } from "./append.ts";
import { toPlacedMessage, placesOf, toVersion, isEmptyVersion } from "./message-form.ts";
import type { FileView } from "./message-reader.ts";

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

function isSummaryPending(unit: Unit): boolean {
  return unit.store.jobs.isPending("summarize");
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
