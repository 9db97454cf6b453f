import type { Fault, Outcome } from "../contracts/errors.ts";
import { MAX_BYTES_PER_SESSION, MAX_MESSAGES_PER_SESSION } from "../contracts/limits.ts";
import type { Seq } from "../contracts/message.ts";
import { byteLength } from "../contracts/text.ts";
import {
  type EndLine,
  type ItemLine,
  type MessageLine,
  type SessionLine,
  type SummaryLine,
  TRANSFER_FORMAT,
  TRANSFER_VERSION,
  type TransferLine,
} from "../contracts/transfer.ts";
import { contentTokens } from "../memory/message-text.ts";
import { isSupported } from "../memory/support.ts";
import { messageId, seqOfServerId, serverId } from "./append.ts";
import { eraseCopied, takeHeard } from "./erasing.ts";
import { hasUnowedMessages } from "./message-archive.ts";
import { oweSummaryIfDue } from "./owed-summaries.ts";
import { oweArchive } from "./owed-work.ts";
import { soundSummaryAt } from "./redo.ts";
import { costOf, type Life, type MessageRow, type SessionRow } from "./rows.ts";
import { plainSettings } from "./settings.ts";
import type { SessionStore } from "./store.ts";
import { evidenceOf } from "./summarizing.ts";

/** A session as lines, out and in again. */

/** A page of lines stays far under what an RPC may carry (32 MiB). */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

const iso = (ms: number): string => new Date(ms).toISOString();

// Out

/** What an export begins with, and what it has to know to go on. */
export interface ExportHead {
  readonly line: SessionLine;
  readonly incarnation: string;
  readonly headSeq: Seq;
  /** Edits and erasures so far: should they rise before the end, what was written is not of one moment. */
  readonly changes: number;
}

export function readExportHead(store: SessionStore, session: SessionRow): ExportHead {
  const { metadata, createdAt, changes, incarnation } = session;
  return {
    line: {
      type: "session",
      format: TRANSFER_FORMAT,
      formatVersion: TRANSFER_VERSION,
      id: session.session,
      createdAt: iso(createdAt),
      metadata,
      settings: plainSettings(session),
    },
    incarnation,
    headSeq: store.messages.head()?.seq ?? 0,
    changes,
  };
}

/** The messages after `afterSeq`, as many as a page takes. */
export function readExportPage(store: SessionStore, afterSeq: Seq, throughSeq: Seq): MessageLine[] {
  const lines: MessageLine[] = [];
  let bytes = 0;
  for (const row of store.messages.forward(afterSeq + 1, throughSeq)) {
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
    role: row.role,
    ...(row.author === null ? {} : { author: row.author }),
    ...(row.content === null ? {} : { content: row.content }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.occurredAt === null ? {} : { occurredAt: iso(row.occurredAt) }),
    createdAt: iso(row.createdAt),
    ...(row.editedAt === null ? {} : { editedAt: iso(row.editedAt) }),
    ...(row.erasedAt === null ? {} : { erasedAt: iso(row.erasedAt) }),
  };
}

/** The summary's versions that are sound, their items, and whether the messages that were read before are still what they were. */
export function readExportEnd(
  store: SessionStore,
  session: SessionRow,
  head: ExportHead,
): { readonly lines: readonly (SummaryLine | ItemLine)[]; readonly end: EndLine } {
  const newest = soundSummaryAt(store, head.headSeq);
  const summaries = newest === null ? [] : store.summaries.through(newest.version);
  const items = newest === null ? [] : store.summaries.itemsThrough(newest.version);
  const lines: (SummaryLine | ItemLine)[] = [];
  for (const { throughSeq, version, usage, createdAt, ...rest } of summaries) {
    const { tokens, summarizer, degraded, droppedItems } = rest;
    lines.push({
      type: "summary",
      version,
      throughSeq,
      tokens,
      summarizer,
      degraded,
      droppedItems,
      ...(usage === null ? {} : { usage }),
      createdAt: iso(createdAt),
    });
  }
  for (const item of items) {
    lines.push({
      type: "item",
      id: item.id,
      fromVersion: item.fromVersion,
      ...(item.toVersion === null ? {} : { toVersion: item.toVersion }),
      kind: item.kind,
      text: item.text,
      sourceSeqs: item.sourceSeqs,
      ...(item.sourceSession === undefined ? {} : { sourceSession: item.sourceSession }),
      status: item.status,
    });
  }
  return {
    lines,
    end: {
      type: "end",
      messages: head.headSeq,
      summaries: summaries.length,
      items: items.length,
      complete: session.changes === head.changes,
    },
  };
}

// In

/** A line with its place in the file. */
export interface NumberedLine {
  readonly number: number;
  readonly line: TransferLine;
}

/** Saves the lines of a page, in the caller's transaction. The answer tells how many items were left out. */
export function saveImportPage(store: SessionStore, lines: readonly NumberedLine[]): Outcome<{ dropped: number }> {
  let dropped = 0;
  const held = new HeldItems(store);
  for (const { number, line } of lines) {
    const fault = saveLine(store, held, line);
    if (fault === "dropped") dropped += 1;
    else if (fault !== null) return { ok: false, fault: lineFault(number, fault) };
  }
  return { ok: true, value: { dropped } };
}

function lineFault(number: number, detail: string): Fault {
  return {
    code: "validation_failed",
    detail: `Line ${number} ${detail}. Nothing was imported; mend the file, or export it anew, and send it again.`,
    errors: [{ path: `line ${number}`, detail }],
    facts: { line: number },
  };
}

/** When each item holds, read once a page: an id may come again, once the item before it has ended. */
class HeldItems {
  readonly #store: SessionStore;
  #endOf: Map<string, number> | null = null;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** Notes an item; false if another of its id still holds then. */
  add({ id, fromVersion, toVersion }: ItemLine): boolean {
    this.#endOf ??= new Map(
      this.#store.summaries.itemsThrough(Number.MAX_SAFE_INTEGER).map((item) => [item.id, item.toVersion ?? Infinity]),
    );
    if ((this.#endOf.get(id) ?? 0) > fromVersion) return false;
    this.#endOf.set(id, toVersion ?? Infinity);
    return true;
  }
}

function saveLine(store: SessionStore, held: HeldItems, line: TransferLine): string | null {
  switch (line.type) {
    case "message":
      return saveMessage(store, line);
    case "summary":
      return saveSummary(store, line);
    case "item":
      return saveItem(store, held, line);
    default:
      return `must not be of the type "${line.type}" here`;
  }
}

function saveMessage(store: SessionStore, line: MessageLine): string | null {
  const newest = store.messages.head();
  const seq = (newest?.seq ?? 0) + 1;
  if (line.seq !== seq) return `has the seq ${line.seq}, and ${seq} is next`;
  const isServerId = seqOfServerId(line.id) !== null;
  if (isServerId && line.id !== serverId(seq)) return `has the server's id of another message`;
  if (!isServerId && store.messages.earlier([line.id]).length > 0) return "has the id of an earlier message";
  const content = line.content ?? null;
  const contentJson = content === null ? null : JSON.stringify(content);
  const tokens = content === null ? 0 : contentTokens(content);
  const totalBytes = (newest?.appendedBytes ?? 0) + (contentJson === null ? 0 : byteLength(contentJson));
  if (seq > MAX_MESSAGES_PER_SESSION || totalBytes > MAX_BYTES_PER_SESSION) {
    return `is more than a session holds: ${MAX_MESSAGES_PER_SESSION} messages and ${MAX_BYTES_PER_SESSION} bytes`;
  }
  store.messages.insert(
    {
      seq,
      clientId: isServerId ? null : line.id,
      role: line.role,
      author: line.author ?? null,
      metadata: line.metadata ?? null,
      occurredAt: toMs(line.occurredAt),
      createdAt: Date.parse(line.createdAt),
      editedAt: toMs(line.editedAt),
      erasedAt: toMs(line.erasedAt),
      // The key of the hashes stays where the session was: a repeated append is compared with what the message says now.
      hash: null,
      tokens,
      totalCost: (newest?.appendedCost ?? 0) + costOf({ content, tokens, author: line.author ?? null }),
      totalBytes,
    },
    contentJson,
  );
  return null;
}

function toMs(time: string | undefined): number | null {
  return time === undefined ? null : Date.parse(time);
}

function saveSummary(store: SessionStore, line: SummaryLine): string | null {
  const newest = store.summaries.newest();
  if (line.version <= (newest?.version ?? 0)) return "has a version that is not above the one before";
  if (line.throughSeq < (newest?.throughSeq ?? 0)) return "covers less than the version before";
  if (line.throughSeq > (store.messages.head()?.seq ?? 0)) return `covers ${line.throughSeq}, past the last message`;
  const { version, throughSeq, tokens, summarizer, degraded, droppedItems, createdAt } = line;
  store.summaries.insert({
    version,
    throughSeq,
    tokens,
    summarizer,
    degraded,
    droppedItems,
    usage: line.usage ?? null,
    createdAt: Date.parse(createdAt),
  });
  return null;
}

/** What an import brings in is checked as what a summarizer says: against the messages that it cites. */
function saveItem(store: SessionStore, held: HeldItems, line: ItemLine): string | null {
  const begun = store.summaries.byVersion(line.fromVersion);
  if (begun === null) return `begins in version ${line.fromVersion}, which is not there`;
  if (line.toVersion !== undefined && line.toVersion <= line.fromVersion) return "ends before it begins";
  if (!held.add(line)) return `has the id of another item that still holds`;
  if (line.sourceSession === undefined) {
    const past = line.sourceSeqs.find((seq) => seq > begun.throughSeq);
    if (past !== undefined) return `cites ${past}, and its version ends at ${begun.throughSeq}`;
    const sources = line.sourceSeqs.flatMap((seq) => store.messages.bySeq(seq) ?? []);
    const isErased = sources.some(({ content }) => content === null);
    if (isErased || sources.length < line.sourceSeqs.length) return `cites a message that was erased`;
    if (!isSupported(line.text, sources.map(evidenceOf))) return "dropped";
  }
  const { id, kind, text, sourceSeqs, sourceSession, status } = line;
  store.summaries.insertItem(
    { id, kind, text, sourceSeqs, ...(sourceSession === undefined ? {} : { sourceSession }), status },
    line.fromVersion,
  );
  if (line.toVersion !== undefined) store.summaries.endItem(id, line.fromVersion, line.toVersion);
  return null;
}

/** Why a file that ended is not taken; null if it ended as it should. */
export function importFault(store: SessionStore, end: EndLine, dropped: number): Fault | null {
  const headSeq = store.messages.head()?.seq ?? 0;
  const newest = store.summaries.newest();
  const summaries = newest === null ? 0 : store.summaries.through(newest.version).length;
  const items = (newest === null ? 0 : store.summaries.itemsThrough(newest.version).length) + dropped;
  if (end.messages === headSeq && end.summaries === summaries && end.items === items) return null;
  return {
    code: "validation_failed",
    detail: `The file has ${headSeq} messages, ${summaries} summaries and ${items} items, and its end counts ${end.messages}, ${end.summaries} and ${end.items}. Nothing was imported; export it anew.`,
    errors: [{ path: "end", detail: "does not count what came before it" }],
  };
}

/**
 * From here on the session is there.
 * @param sources lives of sessions that items were carried over from, and that know of it: what they erased since they do is not taken in
 */
export function finishImport(
  store: SessionStore,
  session: SessionRow,
  sources: readonly Life[],
  newId: () => string,
  now: number,
): void {
  store.setCopying(null);
  for (const source of sources) {
    store.summaries.bindCarriedItems(source);
    store.lineage.putOrigin({ ...source, kind: "further", throughSeq: 0, state: "done" });
  }
  if (store.summaries.newest() !== null || hasUnowedMessages(store, session)) oweArchive(store, session, newId, now);
  oweSummaryIfDue(store, session, newId, now);
  eraseCopied(store, store.session() ?? session, takeHeard(store), newId, now);
}
