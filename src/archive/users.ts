import { and, count, eq, inArray, sql } from "drizzle-orm";
import type { UserRef } from "../api/user.ts";
import type { Database } from "./database.ts";
import { withinTenant } from "./reach.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/**
 * The owner of a tombstone whose user was erased; no principal has this name. Its column `session` contains the epoch.
 */
const NOBODY = "";
/** Epochs per statement: far fewer than PostgreSQL accepts parameters. */
const EPOCHS_PER_STATEMENT = 10_000;

/**
 * Erases everything that the archive has of a user, in its own transaction. For each session a tombstone remains,
 * without content and without a name, so that a late write finds its epoch there and changes nothing. Idempotent.
 * @returns the epochs of the user's sessions
 */
export function eraseUserRows(database: Database, user: UserRef): Promise<string[]> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const epochs = await forgetEpochs(transaction, user, ownedBy(user));
    await transaction.delete(summaryItems).where(itemsOf(user));
    return epochs;
  });
}

/** Erases one epoch of a user's session in the same way, in its own transaction. Idempotent. */
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
    // An epoch may have only one tombstone, so an older one is deleted.
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

/** Counts the rows that the archive still has of a user, or of the epochs of their sessions. */
export function countUserRows(database: Database, user: UserRef, epochs: readonly string[]): Promise<number> {
  return withinTenant(database, user.tenant, async (transaction) => {
    const counts = [
      await countOf(transaction, sessions, ownedBy(user)),
      await countOf(transaction, summaryItems, itemsOf(user)),
    ];
    for (const some of chunksOf(epochs)) {
      counts.push(await countOf(transaction, messages, inArray(messages.epoch, some)));
      counts.push(await countOf(transaction, summaries, inArray(summaries.epoch, some)));
      counts.push(await countOf(transaction, summaryItems, inArray(summaryItems.epoch, some)));
    }
    return counts.reduce((sum, rows) => sum + rows, 0);
  });
}

function ownedBy({ tenant, owner }: UserRef) {
  return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner));
}

/** Found by owner, also if no session is named with their epoch any more. */
function itemsOf({ tenant, owner }: UserRef) {
  return and(eq(summaryItems.tenant, tenant), eq(summaryItems.owner, owner));
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
