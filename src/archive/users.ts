import { and, count, eq, inArray, isNull, sql } from "drizzle-orm";
import type { UserRef } from "../api/user.ts";
import type { Database } from "./database.ts";
import { withinTenant } from "./reach.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/** Stands for the owner of a tombstone whose user was erased: no principal has it. The session's name is the life's then. */
const NOBODY = "";
/** Lives in one statement: far fewer than PostgreSQL takes parameters. */
const LIVES_PER_STATEMENT = 10_000;

/**
 * Erases all that the archive holds of a user, in a transaction of its own. Of each session a tombstone stays, without text and
 * without a name, so that a write that comes late finds its life there and changes nothing. Idempotent.
 * @returns the lives that were the user's
 */
export function eraseUserRows(database: Database, user: UserRef): Promise<string[]> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const lives = await forgetLives(transaction, user, ownedBy(user));
    await transaction.delete(summaryItems).where(currentItemsOf(user));
    return lives;
  });
}

/** Erases one life of a session of a user in the same way, in a transaction of its own. Idempotent. */
export async function forgetLife(database: Database, user: UserRef, incarnation: string): Promise<void> {
  await withinTenant(database, user.tenant, (transaction) =>
    forgetLives(transaction, user, and(ownedBy(user), eq(sessions.incarnation, incarnation))),
  );
}

async function forgetLives(
  database: Database,
  { tenant }: UserRef,
  condition: ReturnType<typeof and>,
): Promise<string[]> {
  const rows = await database
    .select({ incarnation: sessions.incarnation })
    .from(sessions)
    .where(condition)
    .orderBy(sessions.session)
    .for("update");
  const lives = rows.map(({ incarnation }) => incarnation);
  for (const some of chunksOf(lives)) {
    await database.delete(messages).where(inArray(messages.incarnation, some));
    await database.delete(summaries).where(inArray(summaries.incarnation, some));
    await database.delete(summaryItems).where(inArray(summaryItems.incarnation, some));
    // A life has one tombstone.
    await database
      .delete(sessions)
      .where(and(eq(sessions.tenant, tenant), eq(sessions.owner, NOBODY), inArray(sessions.session, some)));
  }
  await database
    .update(sessions)
    .set({
      owner: NOBODY,
      session: sql`${sessions.incarnation}`,
      headSeq: 0,
      throughSeq: 0,
      metadata: {},
      setAside: null,
      rowsSetAside: 0,
      erasedAt: sql`coalesce(${sessions.erasedAt}, now())`,
    })
    .where(condition);
  return lives;
}

/** Rows that the archive still holds of a user, or of lives that were theirs. */
export function countUserRows(database: Database, user: UserRef, lives: readonly string[]): Promise<number> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const counts = [
      await countOf(transaction, sessions, ownedBy(user)),
      await countOf(transaction, summaryItems, currentItemsOf(user)),
    ];
    for (const some of chunksOf(lives)) {
      counts.push(await countOf(transaction, messages, inArray(messages.incarnation, some)));
      counts.push(await countOf(transaction, summaries, inArray(summaries.incarnation, some)));
      counts.push(await countOf(transaction, summaryItems, inArray(summaryItems.incarnation, some)));
    }
    return counts.reduce((sum, rows) => sum + rows, 0);
  });
}

/** Whether a life was a user's who was erased. Asked under the lock of the session's row, or a write could pass beside the erasure. */
export async function isForgottenLife(database: Database, tenant: string, incarnation: string): Promise<boolean> {
  const rows = await countOf(
    database,
    sessions,
    and(eq(sessions.tenant, tenant), eq(sessions.owner, NOBODY), eq(sessions.session, incarnation)),
  );
  return rows > 0;
}

function ownedBy({ tenant, owner }: UserRef) {
  return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner));
}

/** What an index finds by owner. Items that ended hang on a life. */
function currentItemsOf({ tenant, owner }: UserRef) {
  return and(eq(summaryItems.tenant, tenant), eq(summaryItems.owner, owner), isNull(summaryItems.toVersion));
}

async function countOf(
  database: Database,
  table: typeof messages | typeof sessions | typeof summaries | typeof summaryItems,
  condition: ReturnType<typeof and>,
): Promise<number> {
  const [row] = await database.select({ rows: count() }).from(table).where(condition);
  return row?.rows ?? 0;
}

function* chunksOf(lives: readonly string[]): Generator<string[]> {
  for (let from = 0; from < lives.length; from += LIVES_PER_STATEMENT)
    yield lives.slice(from, from + LIVES_PER_STATEMENT);
}
