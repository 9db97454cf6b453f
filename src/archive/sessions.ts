import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { z } from "zod";
import type { StoredMessage } from "../api/message.ts";
import type { Metadata, SessionRef } from "../api/session.ts";
import type { KeptItem, Summary } from "../api/summary.ts";
import type { Database } from "./database.ts";
import { toArchivedItem } from "./memories.ts";
import { withinTenant } from "./reach.ts";
import { isRowFault, nearestMoment, setAsideRowsSchema } from "./set-aside.ts";
import { summaries, summaryItems } from "./tables.ts";

/** A change of a session's archive from revision `baseRev` to `rev`. */
export interface ArchiveWrite {
  readonly ref: SessionRef;
  readonly epoch: string;
  readonly baseRev: number;
  /** Whether everything in the archive of this epoch is deleted first. */
  readonly isReplaced: boolean;
  readonly rev: number;
  readonly createdAt: number;
  readonly headSeq: number;
  readonly throughSeq: number;
  readonly metadata: Metadata;
  readonly summaries: readonly (Omit<Summary, "items" | "createdAt"> & {
    readonly createdAt: number;
    readonly usage?: unknown;
  })[];
  /** The items that begin, and hold in the last of these versions. */
  readonly items: readonly (KeptItem & { readonly fromVersion: number })[];
  /** The items that these versions drop: they leave the archive. */
  readonly endedItems: readonly { readonly id: string; readonly fromVersion: number }[];
  /** Changes of the messages; null if there are none. Times are in ms since 1970. */
  readonly messages: {
    /** Messages after this one are deleted first. */
    readonly afterSeq: number;
    /** Messages to insert, or to replace those with the same `seq`. */
    readonly rows: readonly StoredMessage[];
  } | null;
}

/**
 * The erasure of one epoch of a session. The session's row remains as a tombstone without content, so that a late write
 * finds it and changes nothing.
 */
export interface ArchiveErasure {
  readonly ref: SessionRef;
  readonly epoch: string;
  readonly createdAt: number;
  readonly rev?: undefined;
}

const resultSchema = z.union([
  z.enum(["applied", "stale", "behind"]),
  z.object({ outrankedBy: z.number() }),
  z.object({ setAside: setAsideRowsSchema }),
  z.object({ refused: z.string() }),
]);

/**
 * - `applied`: written
 * - `stale`: the archive has this revision or a newer one; nothing was written
 * - `behind`: the archive has an older revision than `baseRev`, for example after a restore; everything must be sent
 *   again
 * - `outrankedBy`: the archive has another epoch of the session, which began at this time (ms since 1970), not before
 *   this one. Clocks may be wrong, so only the session object knows which of its epochs is the last
 * - `setAside`: the revision is in the archive, written now or before, except for these rows. Their `total` is 0 once
 *   the last of them could be written
 * - `refused`: nothing was written, for the reason of this SQLSTATE
 */
export type ArchiveResult = z.infer<typeof resultSchema>;

const resultRows = z.array(z.object({ result: resultSchema }));

/**
 * Applies changes of many sessions, in their order, in one statement. Each has a savepoint and a result of its own, and
 * the policies of row-level security apply to each for its own tenant (`archive_sessions` in the migrations).
 * Idempotent: repeated, late and reordered changes change nothing.
 *
 * Where PostgreSQL refuses a row, the session's write is sent once more, row by row: the refused rows are set aside, and
 * the others are written.
 */
export async function changeSessions(
  database: Database,
  changes: readonly (ArchiveWrite | ArchiveErasure)[],
): Promise<ArchiveResult[]> {
  const results = await callArchive(database, changes.map(toJson));
  for (const [index, result] of results.entries()) {
    const change = changes[index];
    if (change === undefined || isErasure(change)) continue;
    if (typeof result !== "object" || !("refused" in result) || !isRowFault(result.refused)) continue;
    const [again] = await callArchive(database, [rowByRow(change)]);
    if (again !== undefined) results[index] = again;
  }
  return results;
}

async function callArchive(database: Database, changes: readonly object[]): Promise<ArchiveResult[]> {
  const { rows } = await database.execute(
    sql`select result from archive_sessions(${JSON.stringify(changes)}::json) as result`,
  );
  return resultRows.parse(rows).map(({ result }) => result);
}

function isErasure(change: ArchiveWrite | ArchiveErasure): change is ArchiveErasure {
  return change.rev === undefined;
}

/** Rows of one of the archive's tables, named by their columns, without those that all rows of the session share. */
interface Rows {
  readonly into_table: "messages" | "sessions" | "summaries" | "summary_items";
  readonly rows: readonly object[];
  /** What is stored in place of a row that PostgreSQL refuses. */
  readonly bare: readonly object[];
}

function toJson(change: ArchiveWrite | ArchiveErasure): object {
  const common = { ...change.ref, epoch: change.epoch, created_at: nearestMoment(change.createdAt) };
  if (isErasure(change)) return { ...common, is_erasure: true, head_seq: 0, through_seq: 0 };
  return {
    ...common,
    ...headOf(change),
    metadata: change.metadata,
    summaries: summaryRows(change).rows,
    items: itemRows(change).rows,
    ...(change.messages === null ? {} : { messages: messageRows(change.messages.rows).rows }),
  };
}

/** The same write with each row as a text of its own, which PostgreSQL reads in a block of its own. */
function rowByRow(write: ArchiveWrite): object {
  const tables = [
    { into_table: "sessions", rows: [write.metadata], bare: [{}] } as const,
    summaryRows(write),
    itemRows(write),
    ...(write.messages === null ? [] : [messageRows(write.messages.rows)]),
  ];
  return {
    ...write.ref,
    epoch: write.epoch,
    created_at: nearestMoment(write.createdAt),
    ...headOf(write),
    metadata: {},
    summaries: [],
    items: [],
    ...(write.messages === null ? {} : { messages: [] }),
    suspects: tables.flatMap(({ into_table, rows, bare }: Rows) =>
      rows.map((row, index) => ({ into_table, given: JSON.stringify(row), bare: bare[index] })),
    ),
  };
}

function headOf(write: ArchiveWrite): object {
  return {
    is_erasure: false,
    base_rev: write.baseRev,
    rev: write.rev,
    is_replaced: write.isReplaced,
    head_seq: write.headSeq,
    through_seq: write.throughSeq,
    ended_items: write.endedItems.map(({ id, fromVersion }) => ({ item_id: id, from_version: fromVersion })),
    messages_after: write.messages?.afterSeq ?? null,
  };
}

function summaryRows(write: ArchiveWrite): Rows {
  const rows = write.summaries.map((summary) => ({
    version: summary.version,
    through_seq: summary.throughSeq,
    tokens: summary.tokens,
    summarizer: summary.summarizer,
    degraded: summary.degraded,
    dropped_items: summary.droppedItems,
    usage: summary.usage ?? null,
    created_at: moment(summary.createdAt),
  }));
  const bare = rows.map((row, index) => ({
    ...row,
    tokens: 0,
    dropped_items: 0,
    summarizer: "",
    usage: null,
    created_at: nearestMoment(write.summaries[index]?.createdAt ?? 0),
  }));
  return { into_table: "summaries", rows, bare };
}

function itemRows(write: ArchiveWrite): Rows {
  const madeAt = new Map(write.summaries.map(({ version, createdAt }) => [version, createdAt]));
  // The version that an item began with may be gone, because it covered a message that was erased.
  const newestAt = Math.max(write.createdAt, ...madeAt.values());
  const rows = write.items.map((item) => ({
    item_id: item.id,
    from_version: item.fromVersion,
    kind: item.kind,
    text: item.text,
    source_seqs: item.sourceSeqs,
    source_session: item.sourceSession ?? null,
    source_epoch: item.sourceEpoch ?? null,
    status: item.status,
    made_at: moment(madeAt.get(item.fromVersion) ?? newestAt),
  }));
  const bare = rows.map((row, index) => ({
    ...row,
    text: "",
    source_seqs: [],
    source_session: null,
    source_epoch: null,
    made_at: nearestMoment(madeAt.get(write.items[index]?.fromVersion ?? 0) ?? newestAt),
  }));
  return { into_table: "summary_items", rows, bare };
}

function messageRows(messages: readonly StoredMessage[]): Rows {
  const rows = messages.map((message) => ({
    seq: message.seq,
    id: message.id,
    after_seq: message.afterSeq,
    role: message.role,
    author: message.author,
    content: message.content,
    metadata: message.metadata,
    occurred_at: moment(message.occurredAt),
    created_at: moment(message.createdAt),
    edited_at: moment(message.editedAt),
    erased_at: moment(message.erasedAt),
  }));
  // Such a message keeps its place in the log. Other times than `createdAt` are dropped, because an import may have
  // brought invalid ones.
  const bare = messages.map(({ seq, id, afterSeq, role, createdAt }) => ({
    seq,
    id,
    after_seq: afterSeq,
    role,
    created_at: nearestMoment(createdAt),
  }));
  return { into_table: "messages", rows, bare };
}

/** A time as PostgreSQL reads it; for one that no `Date` holds, a text that PostgreSQL refuses. */
function moment(ms: number | null): string | null {
  if (ms === null) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

/** The items of the newest version of the summary of an epoch, according to the archive. */
export function readHeldItems(
  database: Database,
  { tenant, epoch }: { readonly tenant: string; readonly epoch: string },
): Promise<{ readonly throughSeq: number; readonly items: KeptItem[] }> {
  return withinTenant(database, tenant, (transaction) => readItems(transaction, epoch));
}

async function readItems(
  database: Database,
  epoch: string,
): Promise<{ readonly throughSeq: number; readonly items: KeptItem[] }> {
  const [newest] = await database
    .select({ throughSeq: summaries.throughSeq })
    .from(summaries)
    .where(eq(summaries.epoch, epoch))
    .orderBy(desc(summaries.version))
    .limit(1);
  const rows = await database
    .select()
    .from(summaryItems)
    .where(and(eq(summaryItems.epoch, epoch), isNull(summaryItems.setAside)));
  return {
    throughSeq: newest?.throughSeq ?? 0,
    items: rows.map(toArchivedItem),
  };
}

/** Rejects if PostgreSQL does not answer. */
export async function ping(database: Database): Promise<void> {
  await database.execute(sql`select 1`);
}
