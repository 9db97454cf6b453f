import { and, asc, eq, gt, lte, type SQL, sql } from "drizzle-orm";
import type { SessionRef } from "../api/session.ts";
import type { Database } from "./database.ts";
import { acrossTenants, withinTenant } from "./reach.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/** Rows of the archive exactly as stored; they are not assumed to be valid. Times are in ms since 1970. */

export interface HeldRow extends SessionRef {
  readonly epoch: string;
  readonly rev: number;
  readonly headSeq: number;
  readonly throughSeq: number;
  readonly metadata: unknown;
  readonly createdAt: number;
  readonly isErased: boolean;
  /** The SQLSTATE with which PostgreSQL refused the metadata; null if it is stored. */
  readonly setAside: string | null;
}

export interface HeldVersion {
  readonly version: number;
  readonly throughSeq: number;
  readonly tokens: number;
  readonly summarizer: string;
  readonly degraded: boolean;
  readonly droppedItems: number;
  readonly createdAt: number;
  readonly setAside: string | null;
}

export interface HeldItem {
  readonly id: string;
  readonly fromVersion: number;
  readonly kind: string;
  readonly text: string;
  readonly sourceSeqs: readonly number[];
  readonly sourceSession: string | null;
  readonly sourceEpoch: string | null;
  readonly status: string;
  readonly tenant: string;
  readonly owner: string;
  readonly setAside: string | null;
}

export interface HeldMessage {
  readonly seq: number;
  readonly id: string;
  readonly role: string;
  readonly author: string | null;
  readonly content: unknown;
  readonly metadata: unknown;
  readonly occurredAt: number | null;
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly erasedAt: number | null;
  readonly setAside: string | null;
}

export interface HeldSession {
  readonly row: HeldRow;
  /** Whether there is any version of its summary. */
  readonly hasSummary: boolean;
  /** The last message; 0 if there is none. */
  readonly messageSeq: number;
}

/** The highest version that the column can hold. */
const MAX_VERSION = 2_147_483_647;

/** Null if there is no row of the session, not even a tombstone. */
export function readHeldSession(database: Database, ref: SessionRef): Promise<HeldSession | null> {
  return withinTenant(database, ref.tenant, (transaction) => readSession(transaction, ref));
}

async function readSession(database: Database, ref: SessionRef): Promise<HeldSession | null> {
  const row = await readRow(database, ref);
  if (row === null) return null;
  const { epoch } = row;
  const versions = await database
    .select({ version: summaries.version })
    .from(summaries)
    .where(eq(summaries.epoch, epoch))
    .limit(1);
  const [last] = await database
    .select({ seq: sql<number>`coalesce(max(${messages.seq}), 0)`.mapWith(Number) })
    .from(messages)
    .where(eq(messages.epoch, epoch));
  return { row, hasSummary: versions.length > 0, messageSeq: last?.seq ?? 0 };
}

/** Rows of one kind per page, more than a page of a session object has. Rows beyond are read with another page. */
const MAX_PAGE_ROWS = 10_000;

/** A page of a summary's versions. */
export interface HeldSummary {
  readonly versions: readonly HeldVersion[];
  /** The items of the newest version that began with these versions. */
  readonly items: readonly HeldItem[];
}

/**
 * The versions of an epoch in the range (`afterVersion`, `throughVersion`], and the items of the newest version that
 * began with them.
 */
export function readHeldSummary(
  database: Database,
  { tenant, epoch }: { readonly tenant: string; readonly epoch: string },
  afterVersion: number,
  throughVersion: number,
): Promise<HeldSummary> {
  // PostgreSQL's integers are smaller than those of JavaScript.
  const through = Math.min(throughVersion, MAX_VERSION);
  return withinTenant(database, tenant, async (transaction) => {
    const versions = await transaction
      .select()
      .from(summaries)
      .where(and(eq(summaries.epoch, epoch), gt(summaries.version, afterVersion), lte(summaries.version, through)))
      .orderBy(asc(summaries.version))
      .limit(MAX_PAGE_ROWS);
    const items = await transaction
      .select({
        id: summaryItems.itemId,
        fromVersion: summaryItems.fromVersion,
        kind: summaryItems.kind,
        text: summaryItems.text,
        sourceSeqs: summaryItems.sourceSeqs,
        sourceSession: summaryItems.sourceSession,
        sourceEpoch: summaryItems.sourceEpoch,
        status: summaryItems.status,
        tenant: summaryItems.tenant,
        owner: summaryItems.owner,
        setAside: summaryItems.setAside,
      })
      .from(summaryItems)
      .where(
        and(
          eq(summaryItems.epoch, epoch),
          gt(summaryItems.fromVersion, afterVersion),
          lte(summaryItems.fromVersion, through),
        ),
      )
      .orderBy(asc(summaryItems.fromVersion), asc(summaryItems.itemId))
      .limit(MAX_PAGE_ROWS);
    return {
      versions: versions.map(({ createdAt, ...version }) => ({ ...version, createdAt: createdAt.getTime() })),
      items,
    };
  });
}

/** The messages of an epoch in the range (`afterSeq`, `throughSeq`], oldest first. */
export async function readHeldMessages(
  database: Database,
  { tenant, epoch }: { readonly tenant: string; readonly epoch: string },
  afterSeq: number,
  throughSeq: number,
): Promise<HeldMessage[]> {
  const rows = await withinTenant(database, tenant, (transaction) =>
    transaction
      .select()
      .from(messages)
      .where(and(eq(messages.epoch, epoch), gt(messages.seq, afterSeq), lte(messages.seq, throughSeq)))
      .orderBy(asc(messages.seq)),
  );
  return rows.map(({ seq, id, afterSeq: follows, role, author, content, metadata, setAside, ...at }) => ({
    seq,
    id,
    afterSeq: follows,
    role,
    author,
    content,
    metadata,
    occurredAt: at.occurredAt?.getTime() ?? null,
    createdAt: at.createdAt.getTime(),
    editedAt: at.editedAt?.getTime() ?? null,
    erasedAt: at.erasedAt?.getTime() ?? null,
    setAside,
  }));
}

/** A session's row; null if there is none, not even a tombstone. */
export function readHeldRow(database: Database, ref: SessionRef): Promise<HeldRow | null> {
  return withinTenant(database, ref.tenant, (transaction) => readRow(transaction, ref));
}

async function readRow(database: Database, ref: SessionRef): Promise<HeldRow | null> {
  const [row] = await database.select().from(sessions).where(isSession(ref));
  return row === undefined ? null : toHeldRow(row);
}

/** Which sessions to list. An absent field does not restrict. */
export interface HeldFilter {
  readonly tenant?: string | undefined;
  readonly owner?: string | undefined;
}

/** The sessions in the archive, without tombstones, ordered by name. */
export async function listHeldSessions(
  database: Database,
  { tenant, owner }: HeldFilter,
  page: { readonly after: SessionRef | null; readonly limit: number },
): Promise<HeldRow[]> {
  const conditions: SQL[] = [sql`${sessions.erasedAt} is null`];
  if (tenant !== undefined) conditions.push(eq(sessions.tenant, tenant));
  if (owner !== undefined) conditions.push(eq(sessions.owner, owner));
  if (page.after !== null) {
    const { tenant: afterTenant, owner: afterOwner, session } = page.after;
    conditions.push(
      sql`(${sessions.tenant}, ${sessions.owner}, ${sessions.session}) > (${afterTenant}, ${afterOwner}, ${session})`,
    );
  }
  const read = (transaction: Database) =>
    transaction
      .select()
      .from(sessions)
      .where(and(...conditions))
      .orderBy(asc(sessions.tenant), asc(sessions.owner), asc(sessions.session))
      .limit(page.limit)
      .execute();
  const rows = await (tenant === undefined
    ? acrossTenants(database, "list-sessions", read)
    : withinTenant(database, tenant, read));
  return rows.map(toHeldRow);
}

function isSession({ tenant, owner, session }: SessionRef): SQL | undefined {
  return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session));
}

function toHeldRow({ createdAt, erasedAt, ...row }: typeof sessions.$inferSelect): HeldRow {
  const { tenant, owner, session, epoch, rev, headSeq, throughSeq, metadata, setAside } = row;
  const held = { tenant, owner, session, epoch, rev, headSeq, throughSeq, metadata, setAside };
  return { ...held, createdAt: createdAt.getTime(), isErased: erasedAt !== null };
}
