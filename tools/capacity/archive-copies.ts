// Copies of the measured sessions in a database of their own, so that what PostgreSQL needs for a session can be told from what it needs for a
// table. Four sessions leave each table and index with a page that is nearly empty; eight hundred do not.
import { createHash } from "node:crypto";
import { drizzle } from "drizzle-orm/node-postgres";
import type { Client } from "pg";
import { applyMigrations, createDatabase, withClient } from "../../scripts/dev/database.ts";
import type { AuditEvent } from "../../src/api/audit.ts";
import { readAuditEvents, storeAuditEvents } from "../../src/archive/audit.ts";
import type { Database } from "../../src/archive/database.ts";
import { toArchivedItem } from "../../src/archive/memories.ts";
import { type ArchiveWrite, changeSessions } from "../../src/archive/sessions.ts";
import { sessions, summaries, summaryItems } from "../../src/archive/tables.ts";

const DATABASE = "threadkeep_capacity";
/** Copies of each session. */
const COPIES = 200;
/** Sessions per statement, as many as a batch of the archive's queue has. */
const BATCH = 50;
/** Audit events of one session, more than six days have. */
const MAX_EVENTS = 1_000;
/**
 * A table is vacuumed each time that this share of the copies has another day. PostgreSQL does so by itself when a fifth of a table's rows are
 * dead; the bytes of dead rows are used again after that.
 */
const VACUUM_SHARE = 1 / 4;
const COPY_INTERVAL_MS = 1_009;

type ItemRow = typeof summaryItems.$inferSelect;

/** What the archive has of one session. */
interface Archived {
  readonly session: typeof sessions.$inferSelect;
  readonly versions: readonly (typeof summaries.$inferSelect)[];
  readonly items: readonly ItemRow[];
  readonly events: readonly AuditEvent[];
}

export class ArchiveCopies {
  readonly #held = new Map<string, Archived>();
  #emptyBytes = 0;

  /** @param archiveUrl the service's own archive, on whose server the copies are made; its port changes when the service starts again */
  async create(archiveUrl: string): Promise<void> {
    await createDatabase(archiveUrl, DATABASE);
    await applyMigrations(copiesUrl(archiveUrl));
    this.#emptyBytes = sumOfSizes(await withClient(copiesUrl(archiveUrl), measureTables));
  }

  /** Brings every copy of each session up to what the service's own archive has of it now. */
  async follow(archiveUrl: string): Promise<void> {
    const now = await withClient(archiveUrl, readArchive);
    const changed = now.filter(({ session }) => this.#held.get(session.epoch)?.session.rev !== session.rev);
    await withClient(copiesUrl(archiveUrl), async (client) => {
      const share = COPIES * VACUUM_SHARE;
      for (let from = 0; from < COPIES; from += share) {
        const numbers = Array.from({ length: share }, (_, index) => from + index);
        const copies = numbers.flatMap((number) => changed.map((one) => ({ one, number })));
        await this.#write(drizzle({ client }), copies);
        await client.query("vacuum");
      }
    });
    for (const one of now) this.#held.set(one.session.epoch, one);
  }

  async #write(database: Database, copies: readonly { readonly one: Archived; readonly number: number }[]) {
    for (let from = 0; from < copies.length; from += BATCH) {
      const batch = copies.slice(from, from + BATCH);
      const writes = batch.map(({ one, number }) => copyOf(one, this.#held.get(one.session.epoch) ?? null, number));
      const results = await changeSessions(database, writes);
      if (results.some((result) => result !== "applied")) throw new Error(`a copy failed: ${JSON.stringify(results)}`);
      const events = batch.flatMap(({ one, number }) => {
        const known = new Set(this.#held.get(one.session.epoch)?.events.map(({ id }) => id));
        return one.events.filter(({ id }) => !known.has(id)).map((event) => copyEvent(event, one, number));
      });
      await storeAuditEvents(database, events);
    }
  }

  /** What a copied session takes on average, in bytes, and each table and index of it. */
  async measure(archiveUrl: string): Promise<{ readonly bytesASession: number; readonly tables: string }> {
    const sizes = await withClient(copiesUrl(archiveUrl), measureTables);
    const copies = COPIES * this.#held.size;
    return {
      bytesASession: (sumOfSizes(sizes) - this.#emptyBytes) / copies,
      tables: sizes.map(({ name, bytes }) => `${Math.round(Number(bytes) / copies)} ${name}`).join("\n"),
    };
  }
}

function copiesUrl(archiveUrl: string): string {
  const url = new URL(archiveUrl);
  url.pathname = DATABASE;
  return url.href;
}

async function readArchive(client: Client): Promise<Archived[]> {
  const database = drizzle({ client });
  const versions = Map.groupBy(await database.select().from(summaries), ({ epoch }) => epoch);
  const items = Map.groupBy(await database.select().from(summaryItems), ({ epoch }) => epoch);
  const rows = await database.select().from(sessions);
  const archived: Archived[] = [];
  for (const session of rows) {
    const filter = { tenant: session.tenant, session: session.session };
    const events = await readAuditEvents(database, filter, { limit: MAX_EVENTS, after: null });
    archived.push({
      session,
      versions: versions.get(session.epoch) ?? [],
      items: items.get(session.epoch) ?? [],
      events,
    });
  }
  // A session that was never silent has nothing but its row.
  return archived.filter(({ versions: made }) => made.length > 0);
}

/** The write that brings a copy from what it has to what the session has now. */
function copyOf({ session, versions, items }: Archived, before: Archived | null, number: number): ArchiveWrite {
  const keyOf = ({ itemId, fromVersion }: ItemRow): string => `${fromVersion}/${itemId}`;
  const held = new Set(before?.items.map(keyOf));
  const kept = new Set(items.map(keyOf));
  const newest = Math.max(0, ...(before?.versions ?? []).map(({ version }) => version));
  return {
    // Ids of users and sessions are UUIDs where nobody chooses others.
    ref: { tenant: session.tenant, owner: uuidOf(session.owner, number), session: uuidOf(session.session, number) },
    epoch: uuidOf(session.epoch, number),
    baseRev: before?.session.rev ?? 0,
    isReplaced: false,
    rev: session.rev,
    createdAt: session.createdAt.getTime(),
    headSeq: session.headSeq,
    throughSeq: session.throughSeq,
    metadata: {},
    messages: null,
    summaries: versions
      .filter(({ version }) => version > newest)
      .map(({ createdAt, ...version }) => ({ ...version, createdAt: createdAt.getTime() })),
    items: items
      .filter((item) => !held.has(keyOf(item)))
      .map((item) => ({ ...toArchivedItem(item), fromVersion: item.fromVersion })),
    endedItems: (before?.items ?? [])
      .filter((item) => !kept.has(keyOf(item)))
      .map(({ itemId, fromVersion }) => ({ id: itemId, fromVersion })),
  };
}

function copyEvent(event: AuditEvent, { session }: Archived, number: number): AuditEvent {
  const copied = event.id.replace(session.epoch, uuidOf(session.epoch, number));
  return {
    ...event,
    id: copied === event.id ? uuidOf(event.id, number) : copied,
    at: new Date(Date.parse(event.at) - number * COPY_INTERVAL_MS).toISOString(),
    user: event.user === null ? null : hashOf(event.user, number),
    session: uuidOf(session.session, number),
  };
}

function hashOf(text: string, number: number): string {
  return createHash("sha256").update(`${number}/${text}`).digest("hex").slice(0, 32);
}

function uuidOf(text: string, number: number): string {
  return hashOf(text, number).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

interface Size {
  readonly name: string;
  readonly bytes: string;
}

/** Bytes of each table and index of the archive. */
async function measureTables(client: Client): Promise<Size[]> {
  await client.query("vacuum");
  const { rows } = await client.query<Size>(
    `select case when c.relkind = 'i' then '  ' else '' end || c.relname as name, pg_table_size(c.oid) as bytes
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind in ('r', 'i') and pg_table_size(c.oid) > 0 order by 2 desc`,
  );
  return rows;
}

function sumOfSizes(sizes: readonly Size[]): number {
  return sizes.reduce((sum, { bytes }) => sum + Number(bytes), 0);
}
