import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { type Metadata, type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { KeptItem, Summary } from "../api/summary.ts";
import type { Database } from "./database.ts";
import { toArchivedItem } from "./memories.ts";
import { deleteMessagesAfter, type MessageWrite, writeMessages } from "./messages.ts";
import { withinTenant } from "./reach.ts";
import { countSetAside, nearestMoment, refusalOf, type SetAsideRows, writeAround } from "./set-aside.ts";
import { sessions, summaries, summaryItems } from "./tables.ts";
import { isForgottenEpoch } from "./users.ts";

/** Rows per INSERT: PostgreSQL accepts 65,535 parameters, and an item has twelve. */
const ROWS_PER_INSERT = 1_000;

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
  /** Changes of the messages; null if there are none. */
  readonly messages: MessageWrite | null;
}

/**
 * - `applied`: written
 * - `stale`: the archive has this revision or a newer one; nothing was written
 * - `behind`: the archive has an older revision than `baseRev`, for example after a restore; everything must be sent
 *   again
 * - `outrankedBy`: the archive has another epoch of the session, which began at this time (ms since 1970), not before
 *   this one. Clocks may be wrong, so only the session object knows which of its epochs is the last
 */
export type ArchiveResult = "applied" | "stale" | "behind" | { readonly outrankedBy: number } | Partly;

/**
 * The revision is in the archive, written now or before, except for the rows in `setAside`. Its `total` is 0 once the
 * last of them could be written.
 */
interface Partly {
  readonly setAside: SetAsideRows;
}

type InsertedVersion = typeof summaries.$inferInsert;
type InsertedItem = typeof summaryItems.$inferInsert;

/**
 * Applies a change in the caller's transaction, which acts for the tenant, if its revision is newer than the archive's.
 * Idempotent: repeated, late and reordered writes change nothing.
 * @param isRowByRow for a write that PostgreSQL refused as a whole: set refused rows aside, and write the others
 */
export async function applyArchiveWrite(
  database: Database,
  write: ArchiveWrite,
  isRowByRow = false,
): Promise<ArchiveResult> {
  const { tenant, owner, session } = write.ref;
  const here = and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session));
  const row = {
    headSeq: write.headSeq,
    throughSeq: write.throughSeq,
    ...(isRowByRow ? await storableMetadata(database, write.metadata) : { metadata: write.metadata, setAside: null }),
    createdAt: nearestMoment(new Date(write.createdAt)),
  };
  // The row must exist to be locked; revision 0 is older than every write.
  await database
    .insert(sessions)
    .values({ tenant, owner, session, epoch: write.epoch, rev: 0, ...row })
    .onConflictDoNothing();
  const [held] = await database
    .select({
      epoch: sessions.epoch,
      rev: sessions.rev,
      createdAt: sessions.createdAt,
      erasedAt: sessions.erasedAt,
      rowsSetAside: sessions.rowsSetAside,
    })
    .from(sessions)
    .where(here)
    .for("update");
  if (held === undefined) throw new Error("the archive's session row vanished while it was locked");
  const { epoch } = write;
  if (owner !== TENANT_OWNER && (await isForgottenEpoch(database, tenant, epoch))) {
    await deleteRow(database, write.ref, epoch);
    return "stale";
  }
  if (held.epoch === epoch) {
    if (held.erasedAt !== null) return "stale";
    if (held.rev >= write.rev) {
      return held.rowsSetAside === 0 ? "stale" : { setAside: await countSetAside(database, epoch) };
    }
    if (held.rev < write.baseRev) return "behind";
  } else {
    const heldCreatedAt = held.createdAt.getTime();
    if (heldCreatedAt >= write.createdAt) return { outrankedBy: heldCreatedAt };
    if (write.baseRev > 0) return "behind";
    await deleteEpoch(database, held.epoch);
  }
  if (write.isReplaced) await deleteSummaries(database, epoch);
  await database
    .update(sessions)
    .set({ epoch, rev: write.rev, ...row, erasedAt: null, archivedAt: sql`now()` })
    .where(here);
  if (write.summaries.length > 0) {
    const versions = write.summaries.map((summary): InsertedVersion => ({
      epoch,
      version: summary.version,
      throughSeq: summary.throughSeq,
      tokens: summary.tokens,
      summarizer: summary.summarizer,
      degraded: summary.degraded,
      droppedItems: summary.droppedItems,
      usage: summary.usage ?? null,
      tenant,
      createdAt: new Date(summary.createdAt),
    }));
    if (isRowByRow) await writeAround(database, versions, insertVersions, withoutOrigin);
    else await insertVersions(database, versions);
  }
  await deleteItems(database, epoch, write.endedItems);
  const madeAt = new Map(write.summaries.map(({ version, createdAt }) => [version, createdAt]));
  // The version that an item began with may be gone, because it covered a message that was erased.
  const newestAt = Math.max(write.createdAt, ...madeAt.values());
  for (let from = 0; from < write.items.length; from += ROWS_PER_INSERT) {
    const items = write.items.slice(from, from + ROWS_PER_INSERT).map((item): InsertedItem => ({
      epoch,
      itemId: item.id,
      fromVersion: item.fromVersion,
      kind: item.kind,
      text: item.text,
      sourceSeqs: item.sourceSeqs,
      sourceSession: item.sourceSession ?? null,
      sourceEpoch: item.sourceEpoch ?? null,
      status: item.status,
      tenant,
      owner,
      madeAt: new Date(madeAt.get(item.fromVersion) ?? newestAt),
    }));
    if (isRowByRow) await writeAround(database, items, insertItems, withoutText);
    else await insertItems(database, items);
  }
  if (write.messages !== null && write.messages !== undefined)
    await writeMessages(database, { tenant, owner, epoch }, write.messages, isRowByRow);
  if (!isRowByRow && held.rowsSetAside === 0) return "applied";
  return { setAside: await countSetAside(database, epoch) };
}

/** The metadata if PostgreSQL accepts it; otherwise an empty object and the SQLSTATE. */
async function storableMetadata(
  database: Database,
  metadata: Metadata,
): Promise<{ readonly metadata: Metadata; readonly setAside: string | null }> {
  const json = JSON.stringify(metadata);
  const setAside = await refusalOf(database, [json], (savepoint) => savepoint.execute(sql`select ${json}::jsonb`));
  return { metadata: setAside === null ? metadata : {}, setAside };
}

async function insertVersions(database: Database, rows: readonly InsertedVersion[]): Promise<void> {
  await database
    .insert(summaries)
    .values([...rows])
    .onConflictDoNothing();
}

function withoutOrigin(row: InsertedVersion, setAside: string): InsertedVersion {
  const createdAt = nearestMoment(row.createdAt);
  return { ...row, tokens: 0, droppedItems: 0, summarizer: "", usage: null, createdAt, setAside };
}

async function insertItems(database: Database, rows: readonly InsertedItem[]): Promise<void> {
  await database
    .insert(summaryItems)
    .values([...rows])
    .onConflictDoNothing();
}

function withoutText(row: InsertedItem, setAside: string): InsertedItem {
  const madeAt = nearestMoment(row.madeAt ?? new Date(0));
  return { ...row, text: "", sourceSeqs: [], sourceSession: null, sourceEpoch: null, madeAt, setAside };
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

async function deleteItems(database: Database, epoch: string, ended: ArchiveWrite["endedItems"]): Promise<void> {
  if (ended.length === 0) return;
  const ids = sql.param(ended.map(({ id }) => id));
  const versions = sql.param(ended.map(({ fromVersion }) => fromVersion));
  const isEnded = sql`(${summaryItems.itemId}, ${summaryItems.fromVersion})
    in (select * from unnest(${ids}::text[], ${versions}::int[]))`;
  await database.delete(summaryItems).where(and(eq(summaryItems.epoch, epoch), isEnded));
}

async function deleteEpoch(database: Database, epoch: string): Promise<void> {
  await deleteSummaries(database, epoch);
  await deleteMessagesAfter(database, epoch, 0);
}

async function deleteSummaries(database: Database, epoch: string): Promise<void> {
  await database.delete(summaries).where(eq(summaries.epoch, epoch));
  await database.delete(summaryItems).where(eq(summaryItems.epoch, epoch));
}

/**
 * Erases one epoch of a session, in the caller's transaction, which acts for the tenant. The session's row remains as a
 * tombstone without content, so that a late write finds it and changes nothing. Idempotent.
 */
export async function applyErasure(
  database: Database,
  erasure: { readonly ref: SessionRef; readonly epoch: string; readonly createdAt: number },
): Promise<void> {
  const { tenant, owner, session } = erasure.ref;
  const { epoch } = erasure;
  const createdAt = nearestMoment(new Date(erasure.createdAt));
  const tombstone = {
    headSeq: 0,
    throughSeq: 0,
    metadata: {},
    setAside: null,
    rowsSetAside: 0,
    erasedAt: sql`now()`,
  };
  await database
    .insert(sessions)
    .values({ tenant, owner, session, epoch, rev: 0, createdAt, ...tombstone })
    .onConflictDoNothing();
  const here = and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session));
  const [held] = await database
    .select({ epoch: sessions.epoch, createdAt: sessions.createdAt })
    .from(sessions)
    .where(here)
    .for("update");
  if (held === undefined) throw new Error("the archive's session row vanished while it was locked");
  if (owner !== TENANT_OWNER && (await isForgottenEpoch(database, tenant, epoch))) {
    await deleteRow(database, erasure.ref, epoch);
    return;
  }
  if (held.epoch === epoch) {
    await database.update(sessions).set(tombstone).where(here);
  } else if (held.createdAt.getTime() < createdAt.getTime()) {
    // The row belongs to an earlier epoch, and so would let a late write of this epoch pass.
    await deleteEpoch(database, held.epoch);
    await database
      .update(sessions)
      .set({ ...tombstone, epoch, rev: 0, createdAt })
      .where(here);
  }
  await deleteEpoch(database, epoch);
}

/** Deletes the row that was inserted to be locked, if its epoch already has a tombstone without a name. */
async function deleteRow(database: Database, { tenant, owner, session }: SessionRef, epoch: string): Promise<void> {
  const here = and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session));
  await database.delete(sessions).where(and(here, eq(sessions.epoch, epoch)));
}

/** Rejects if PostgreSQL does not answer. */
export async function ping(database: Database): Promise<void> {
  await database.execute(sql`select 1`);
}
