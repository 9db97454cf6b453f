import { and, count, eq, inArray, isNull, sql } from "drizzle-orm";
import type { UserRef } from "../api/user.ts";
import type { Database } from "./database.ts";
import { withinTenant } from "./reach.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/** Stands for the owner of a tombstone whose user was erased: no principal has it. The session's name is the epoch's then. */
const NOBODY = "";
/** Lives in one statement: far fewer than PostgreSQL takes parameters. */
const EPOCHS_PER_STATEMENT = 10_000;

/**
 * Erases all that the archive holds of a user, in a transaction of its own. Of each session a tombstone stays, without text and
 * without a name, so that a write that comes late finds its epoch there and changes nothing. Idempotent.
 * @returns the epochs that were the user's
 */
export function eraseUserRows(database: Database, user: UserRef): Promise<string[]> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const epochs = await forgetEpochs(transaction, user, ownedBy(user));
    await transaction.delete(summaryItems).where(currentItemsOf(user));
    return epochs;
  });
}

/** Erases one epoch of a session of a user in the same way, in a transaction of its own. Idempotent. */
export async function forgetEpoch(database: Database, user: UserRef, epoch: string): Promise<void> {
  await withinTenant(database, user.tenant, (transaction) =>
    forgetEpochs(transaction, user, and(ownedBy(user), eq(sessions.epoch, epoch))),
  );
}

async function forgetEpochs(
  database: Database,
  { tenant }: UserRef,
  condition: ReturnType<typeof and>,
): Promise<string[]> {
  const rows = await database
    .select({ epoch: sessions.epoch })
    .from(sessions)
    .where(condition)
    .orderBy(sessions.session)
    .for("update");
  const epochs = rows.map(({ epoch }) => epoch);
  for (const some of chunksOf(epochs)) {
    await database.delete(messages).where(inArray(messages.epoch, some));
    await database.delete(summaries).where(inArray(summaries.epoch, some));
    await database.delete(summaryItems).where(inArray(summaryItems.epoch, some));
    // An epoch has one tombstone.
    await database
      .delete(sessions)
      .where(and(eq(sessions.tenant, tenant), eq(sessions.owner, NOBODY), inArray(sessions.session, some)));
  }
  await database
    .update(sessions)
    .set({
      owner: NOBODY,
      session: sql`${sessions.epoch}`,
      headSeq: 0,
      throughSeq: 0,
      metadata: {},
      setAside: null,
      rowsSetAside: 0,
      erasedAt: sql`coalesce(${sessions.erasedAt}, now())`,
    })
    .where(condition);
  return epochs;
}

/** Rows that the archive still holds of a user, or of epochs that were theirs. */
export function countUserRows(database: Database, user: UserRef, epochs: readonly string[]): Promise<number> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const counts = [
      await countOf(transaction, sessions, ownedBy(user)),
      await countOf(transaction, summaryItems, currentItemsOf(user)),
    ];
    for (const some of chunksOf(epochs)) {
      counts.push(await countOf(transaction, messages, inArray(messages.epoch, some)));
      counts.push(await countOf(transaction, summaries, inArray(summaries.epoch, some)));
      counts.push(await countOf(transaction, summaryItems, inArray(summaryItems.epoch, some)));
    }
    return counts.reduce((sum, rows) => sum + rows, 0);
  });
}

/** Whether an epoch was a user's who was erased. Asked under the lock of the session's row, or a write could pass beside the erasure. */
export async function isForgottenEpoch(database: Database, tenant: string, epoch: string): Promise<boolean> {
  const rows = await countOf(
    database,
    sessions,
    and(eq(sessions.tenant, tenant), eq(sessions.owner, NOBODY), eq(sessions.session, epoch)),
  );
  return rows > 0;
}

function ownedBy({ tenant, owner }: UserRef) {
  return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner));
}

/** What an index finds by owner. Items that ended hang on an epoch. */
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

function* chunksOf(epochs: readonly string[]): Generator<string[]> {
  for (let from = 0; from < epochs.length; from += EPOCHS_PER_STATEMENT)
    yield epochs.slice(from, from + EPOCHS_PER_STATEMENT);
}
