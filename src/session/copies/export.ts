import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { Seq } from "../../api/message.ts";
import {
  type EndLine,
  IMPORTED_BY,
  type ItemLine,
  type MessageLine,
  type SessionLine,
  type SummaryLine,
  TRANSFER_FORMAT,
  TRANSFER_VERSION,
} from "../../api/transfer.ts";
import { messageId } from "../log/index.ts";
import { type MessageRow, plainSettings, saidTime, type SummaryRow, type VersionedItem } from "../sqlite/index.ts";
import { soundSummaryAt } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/** A session as lines. How it comes in again stands in import.ts. */

/** A page of lines stays far under what an RPC may carry (32 MiB). */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;
/** Versions or items of a page: an item with its sources is about 4 KiB at most. */
const MAX_PAGE_ROWS = 500;

const iso = (ms: number): string => new Date(ms).toISOString();

/** What an export begins with, and what it has to know to go on. */
export interface ExportHead {
  readonly line: SessionLine;
  readonly epoch: string;
  /** The newest message. */
  readonly headSeq: Seq;
  /** The head of the active branch. */
  readonly branchHeadSeq: Seq;
  /** Edits and erasures so far: should they rise before the end, what was written is not of one moment. */
  readonly changes: number;
}

export function readExportHead(unit: Unit): ExportHead {
  const { store } = unit;
  const { metadata, createdAt, changes, epoch } = unit.session;
  const headSeq = store.messages.head()?.seq ?? 0;
  return {
    line: {
      type: "session",
      format: TRANSFER_FORMAT,
      formatVersion: TRANSFER_VERSION,
      id: unit.session.session,
      createdAt: iso(createdAt),
      metadata,
      settings: plainSettings(unit.session),
    },
    epoch,
    headSeq,
    branchHeadSeq: store.branches.active(headSeq).headSeq,
    changes,
  };
}

/** One file is of one epoch of the session. Throws if that is over. */
export function requireExported(unit: Unit, head: ExportHead): Unit {
  if (unit.requireSession().epoch !== head.epoch) throw new ThreadkeepError(LOST_EXPORT);
  return unit;
}

const LOST_EXPORT: Fault = {
  code: "session_not_found",
  detail: "The session was erased while it was exported. Export the one that has its id now.",
};

/** The messages after `afterSeq`, as many as a page takes. */
export function readExportPage(unit: Unit, afterSeq: Seq, throughSeq: Seq): MessageLine[] {
  const lines: MessageLine[] = [];
  let bytes = 0;
  for (const row of unit.store.messages.forward(afterSeq + 1, throughSeq)) {
    const line = messageLine(row);
    lines.push(line);
    bytes += JSON.stringify(line).length;
    if (bytes >= MAX_PAGE_BYTES) break;
  }
  return lines;
}

function messageLine(row: MessageRow): MessageLine {
  return {
    type: "message",
    seq: row.seq,
    id: messageId(row),
    ...(row.afterSeq === null ? {} : { afterSeq: row.afterSeq }),
    role: row.role,
    ...(row.author === null ? {} : { author: row.author }),
    ...(row.content === null ? {} : { content: row.content }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.occurredAt === null ? {} : { occurredAt: saidTime(row) }),
    createdAt: iso(row.createdAt),
    ...(row.editedAt === null ? {} : { editedAt: iso(row.editedAt) }),
    ...(row.erasedAt === null ? {} : { erasedAt: iso(row.erasedAt) }),
    ...(row.isPinned ? { pinned: true as const } : {}),
  };
}

/** Where the end of an export stands: the version that it is of, and what was read of it. */
export interface ExportCursor {
  readonly version: number;
  readonly afterVersion: number;
  readonly afterRow: number;
  readonly summaries: number;
  readonly items: number;
}

export interface ExportEnd {
  readonly lines: readonly (SummaryLine | ItemLine)[];
  /** Where to go on; null if this is all. */
  readonly next: ExportCursor | null;
  /** Counts all lines, and tells whether what was read before is still what it was; null if there are more. */
  readonly end: EndLine | null;
}

/** The versions of the summary that are sound, then their items, page by page. */
export function readExportEnd(unit: Unit, head: ExportHead, from: ExportCursor | null): ExportEnd {
  const { store } = unit;
  const branch = store.branches.through(head.branchHeadSeq);
  const cursor = from ?? beginningOf(soundSummaryAt(unit, branch)?.version ?? 0);
  const { version } = cursor;
  const summaries = store.summaries.between(cursor.afterVersion, version, MAX_PAGE_ROWS);
  const room = MAX_PAGE_ROWS - summaries.length;
  const items = room === 0 ? [] : store.summaries.itemPage(version, cursor.afterRow, room);
  const lines = [...summaries.map(summaryLine), ...items.map(({ item }) => itemLine(item))];
  const read = {
    version,
    afterVersion: summaries.at(-1)?.version ?? cursor.afterVersion,
    afterRow: items.at(-1)?.row ?? cursor.afterRow,
    summaries: cursor.summaries + summaries.length,
    items: cursor.items + items.length,
  };
  if (lines.length === MAX_PAGE_ROWS) return { lines, next: read, end: null };
  const counted = store.summaries.countThrough(version);
  const isSame = counted.summaries === read.summaries && counted.items === read.items;
  return {
    lines,
    next: null,
    end: {
      type: "end",
      messages: head.headSeq,
      summaries: read.summaries,
      items: read.items,
      ...(head.branchHeadSeq === head.headSeq ? {} : { branchHeadSeq: head.branchHeadSeq }),
      complete: isSame && unit.session.changes === head.changes,
    },
  };
}

function beginningOf(version: number): ExportCursor {
  return { version, afterVersion: 0, afterRow: 0, summaries: 0, items: 0 };
}

function summaryLine({
  version,
  throughSeq,
  tokens,
  summarizer,
  degraded,
  droppedItems,
  ...rest
}: SummaryRow): SummaryLine {
  const { usage, createdAt } = rest;
  return {
    type: "summary",
    version,
    throughSeq,
    tokens,
    summarizer: summarizer.startsWith(IMPORTED_BY) ? summarizer.slice(IMPORTED_BY.length) : summarizer,
    degraded,
    droppedItems,
    ...(usage === null ? {} : { usage }),
    createdAt: iso(createdAt),
  };
}

function itemLine(item: VersionedItem): ItemLine {
  return {
    type: "item",
    id: item.id,
    fromVersion: item.fromVersion,
    ...(item.toVersion === null ? {} : { toVersion: item.toVersion }),
    kind: item.kind,
    text: item.text,
    sourceSeqs: item.sourceSeqs,
    ...(item.sourceSession === undefined ? {} : { sourceSession: item.sourceSession }),
    status: item.status,
  };
}
