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
import { itemsTokens } from "../../prompt/items.ts";
import { messageId } from "../log/index.ts";
import { type MessageRow, plainSettings, saidTime, type SummaryRow, type VersionedItem } from "../sqlite/index.ts";
import { soundSummaryAt } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

// Export: writes a session as JSON lines. `import.ts` reads them.

/** Characters of a page of messages, in JSON: far under the 32 MiB that an RPC may carry. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;
/** Versions and items of a page. An item with its sources has 4 KiB at most. */
const MAX_PAGE_ROWS = 500;

const iso = (ms: number): string => new Date(ms).toISOString();

/** The state of a session when its export began, which the later pages need to know. */
export interface ExportMoment {
  readonly epoch: string;
  /** The newest message when the export began. Later ones are not exported. */
  readonly headSeq: Seq;
  /** The newest message of the active branch. */
  readonly branchHeadSeq: Seq;
  /** The number of edits and erasures so far. If it is higher at the end, the lines do not belong to one moment. */
  readonly changes: number;
}

/** The beginning of an export: its first line, and the state that it belongs to. */
export interface ExportHead extends ExportMoment {
  readonly line: SessionLine;
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

/**
 * Requires the epoch with which the export began, so that one file never contains two.
 * @throws ThreadkeepError `session_not_found` if that epoch is over
 */
export function requireExported(unit: Unit, head: ExportMoment): Unit {
  if (unit.requireSession().epoch !== head.epoch) throw new ThreadkeepError(LOST_EXPORT);
  return unit;
}

const LOST_EXPORT: Fault = {
  code: "session_not_found",
  detail: "The session was erased during the export. If its id is in use again, you can export the new session.",
};

/** The lines of the messages after `afterSeq`, as many as fit into a page. */
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

/**
 * Where the next page of versions and items begins: `version` is the newest one that is exported; the rest says what
 * has been read.
 */
export interface ExportCursor {
  readonly version: number;
  readonly afterVersion: number;
  readonly afterRow: number;
  readonly summaries: number;
  readonly items: number;
}

export interface ExportEnd {
  readonly lines: readonly (SummaryLine | ItemLine)[];
  /** The cursor for the next page; null if this is the last one. */
  readonly next: ExportCursor | null;
  /**
   * The end line, on the last page: it counts all lines, and its `complete` tells whether the session stayed the same
   * during the export. Null if there are more pages.
   */
  readonly end: EndLine | null;
}

/**
 * A page of the versions of the summary, oldest first, and then of their items. Versions that are being rebuilt are
 * left out.
 */
export function readExportEnd(unit: Unit, head: ExportMoment, from: ExportCursor | null): ExportEnd {
  const { store } = unit;
  const branch = store.branches.through(head.branchHeadSeq);
  const cursor = from ?? beginningOf(soundSummaryAt(unit, branch)?.version ?? 0);
  const { version } = cursor;
  const summaries = store.summaries.between(cursor.afterVersion, version, MAX_PAGE_ROWS);
  const room = MAX_PAGE_ROWS - summaries.length;
  const items = room === 0 ? [] : store.summaries.itemPage(version, cursor.afterRow, room);
  // While newer versions are rebuilt, the stored count of an older one does not follow what is erased in it.
  const told = summaries.map((row) =>
    row.version === version ? { ...row, tokens: itemsTokens(store.summaries.items(version)) } : row,
  );
  const lines = [...told.map(summaryLine), ...items.map(({ item }) => itemLine(item))];
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
