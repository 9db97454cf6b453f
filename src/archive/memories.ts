import { and, desc, eq, inArray, isNull, max, sql } from "drizzle-orm";
import { z } from "zod";
import { type Item, type ItemKind, itemSchema, type ItemStatus, type KeptItem } from "../api/summary.ts";
import type { Database } from "./database.ts";
import { withinTenant } from "./reach.ts";
import { sessions, summaryItems } from "./tables.ts";

/** Whose memories are searched. It comes from the principal, never from a request's body. */
export interface MemoryOwner {
  readonly tenant: string;
  /** A user's id, or `-` for the sessions of the tenant itself. */
  readonly owner: string;
}

/** A current item of a summary, and the session that it is in. */
export interface Memory {
  readonly session: string;
  readonly epoch: string;
  readonly item: KeptItem;
  /** When the version of the summary that it began with was made, in ms since 1970. */
  readonly madeAt: number;
}

export interface FoundMemory extends Memory {
  /** Higher if rarer words match. Comparable within one query only. */
  readonly score: number;
}

/** What to search for. An absent field does not restrict. */
export interface MemoryQuery {
  readonly query: string;
  readonly kinds?: readonly ItemKind[] | undefined;
  readonly statuses?: readonly ItemStatus[] | undefined;
  readonly sessions?: readonly string[] | undefined;
}

const foundRows = z.array(
  z.object({
    session: z.string(),
    epoch: z.string(),
    item_id: z.string(),
    kind: z.string(),
    text: z.string(),
    source_seqs: z.array(z.int()),
    source_session: z.string().nullable(),
    status: z.string(),
    made_at_ms: z.number(),
    score: z.number(),
  }),
);

/**
 * Searches the items of an owner's sessions that contain some word of the query, best first. It is a single statement
 * without a transaction: the SQL function runs as the owner of the tables, and filters by tenant and owner itself. The
 * archive may be behind the session objects, so a result is valid only once its session has confirmed it.
 */
export async function searchMemories(
  database: Database,
  { tenant, owner }: MemoryOwner,
  { query, kinds, statuses, sessions: names }: MemoryQuery,
  page: { readonly limit: number; readonly offset: number },
): Promise<FoundMemory[]> {
  const { rows } = await database.execute(sql`
    select *, extract(epoch from made_at)::float8 * 1000 as made_at_ms
    from search_memory(${tenant}, ${owner}, ${query}, ${textArray(kinds)}, ${textArray(statuses)}, ${textArray(names)},
      ${page.limit}, ${page.offset})
    order by score desc, made_at desc, session, item_id`);
  return foundRows.parse(rows).map((row) => ({
    session: row.session,
    epoch: row.epoch,
    item: toItem({
      itemId: row.item_id,
      kind: row.kind,
      text: row.text,
      sourceSeqs: row.source_seqs,
      sourceSession: row.source_session,
      status: row.status,
    }),
    madeAt: Math.round(row.made_at_ms),
    score: row.score,
  }));
}

/** Passes the whole list as one parameter; drizzle would make one per entry. */
function textArray(values: readonly string[] | undefined) {
  return values === undefined ? sql`null` : sql`${sql.param([...values])}::text[]`;
}

/** Kinds that are relevant whatever the user talks about. */
export const LASTING_KINDS: readonly ItemKind[] = ["fact", "preference"];

/**
 * What is known about a user across sessions: current facts and preferences, newest first. As with a search, the
 * archive may be behind the session objects.
 * @param options.kinds facts and preferences by default
 */
export async function readMemories(
  database: Database,
  { tenant, owner }: MemoryOwner,
  limit: number,
  options: { readonly kinds?: readonly ItemKind[] } = {},
): Promise<Memory[]> {
  const rows = await withinTenant(database, tenant, (transaction) =>
    transaction
      .select({ session: sessions.session, row: summaryItems })
      .from(summaryItems)
      .innerJoin(sessions, eq(sessions.epoch, summaryItems.epoch))
      .where(
        and(
          eq(summaryItems.tenant, tenant),
          eq(summaryItems.owner, owner),
          isNull(summaryItems.setAside),
          eq(summaryItems.status, "current"),
          inArray(summaryItems.kind, [...(options.kinds ?? LASTING_KINDS)]),
          eq(sessions.tenant, tenant),
          eq(sessions.owner, owner),
          isNull(sessions.erasedAt),
        ),
      )
      .orderBy(desc(summaryItems.madeAt))
      .limit(limit),
  );
  return rows.map(({ session, row }) => ({
    session,
    epoch: row.epoch,
    item: toArchivedItem(row),
    madeAt: row.madeAt.getTime(),
  }));
}

/** How many of an owner's newest items `newestSessions` looks at; the index returns them within milliseconds. */
const MAX_NEWEST_ITEMS = 1_000;

/**
 * The sessions with an owner's newest items, newest first. As with a search, the archive may be behind the session
 * objects.
 * @param names only sessions with these names, in any order
 */
export async function newestSessions(
  database: Database,
  { tenant, owner }: MemoryOwner,
  limit: number,
  names?: readonly string[],
): Promise<string[]> {
  const isOwned = and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), isNull(sessions.erasedAt));
  const rows = await withinTenant(database, tenant, (transaction) => {
    if (names !== undefined) {
      const isNamed = inArray(sessions.session, [...names]);
      return transaction.select({ session: sessions.session }).from(sessions).where(and(isOwned, isNamed)).limit(limit);
    }
    const newest = transaction
      .select({ epoch: summaryItems.epoch, madeAt: summaryItems.madeAt })
      .from(summaryItems)
      .where(and(eq(summaryItems.tenant, tenant), eq(summaryItems.owner, owner)))
      .orderBy(desc(summaryItems.madeAt))
      .limit(MAX_NEWEST_ITEMS)
      .as("newest");
    return transaction
      .select({ session: sessions.session })
      .from(newest)
      .innerJoin(sessions, eq(sessions.epoch, newest.epoch))
      .where(isOwned)
      .groupBy(sessions.session)
      .orderBy(desc(max(newest.madeAt)))
      .limit(limit);
  });
  return rows.map(({ session }) => session);
}

/** The items of the newest version of a session's summary, in whichever epoch the archive has. */
export async function readSessionItems(
  database: Database,
  { tenant, owner, session }: MemoryOwner & { readonly session: string },
): Promise<Item[]> {
  const rows = await withinTenant(database, tenant, (transaction) =>
    transaction
      .select({ row: summaryItems })
      .from(summaryItems)
      .innerJoin(sessions, eq(sessions.epoch, summaryItems.epoch))
      .where(
        and(
          eq(sessions.tenant, tenant),
          eq(sessions.owner, owner),
          eq(sessions.session, session),
          isNull(sessions.erasedAt),
          isNull(summaryItems.setAside),
        ),
      )
      .orderBy(summaryItems.fromVersion, summaryItems.itemId),
  );
  return rows.map(({ row }) => toItem(row));
}

/** Converts a row into an item. */
export function toItem(row: {
  readonly itemId: string;
  readonly kind: string;
  readonly text: string;
  readonly sourceSeqs: readonly number[];
  readonly sourceSession: string | null;
  readonly status: string;
}): Item {
  return itemSchema.parse({
    id: row.itemId,
    kind: row.kind,
    text: row.text,
    sourceSeqs: row.sourceSeqs,
    ...(row.sourceSession === null ? {} : { sourceSession: row.sourceSession }),
    status: row.status,
  });
}

/** Converts a row into an item with the epoch of the session that it was carried over from. */
export function toArchivedItem(row: Parameters<typeof toItem>[0] & { readonly sourceEpoch: string | null }): KeptItem {
  const { sourceEpoch } = row;
  return { ...toItem(row), ...(sourceEpoch === null ? {} : { sourceEpoch }) };
}
