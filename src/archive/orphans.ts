import { and, eq, isNotNull, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { TENANT_OWNER } from "../api/session.ts";
import type { Database } from "./database.ts";
import type { HeldRow } from "./held.ts";
import { acrossTenants, withinTenant } from "./reach.ts";
import { changeSessions } from "./sessions.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";
import { forgetEpoch } from "./users.ts";

/**
 * Handles data in the archive that no session object knows: usually of a session that was erased, after which
 * PostgreSQL was restored from an older backup.
 */

/**
 * Erases an epoch that no session object knows, in its own transaction. As after any erasure a tombstone remains; for a
 * user's session it contains no name, because the user may have been erased too. Idempotent.
 */
export async function eraseOrphan(database: Database, { epoch, createdAt, ...ref }: HeldRow): Promise<void> {
  if (ref.owner !== TENANT_OWNER) {
    await forgetEpoch(database, ref, epoch);
    return;
  }
  const { tenant, owner, session } = ref;
  const [result] = await changeSessions(database, [{ ref: { tenant, owner, session }, epoch, createdAt }]);
  if (result !== "applied") throw new Error(`the archive did not erase an orphan: ${JSON.stringify(result)}`);
}

/**
 * Deletes the tombstone of an epoch that still exists according to its session object, because the archive accepts no
 * writes for an epoch with a tombstone. Idempotent.
 */
export async function liftTombstone(database: Database, { tenant, owner, session, epoch }: HeldRow): Promise<void> {
  await withinTenant(database, tenant, (transaction) =>
    transaction
      .delete(sessions)
      .where(
        and(
          eq(sessions.tenant, tenant),
          eq(sessions.owner, owner),
          eq(sessions.session, session),
          eq(sessions.epoch, epoch),
          isNotNull(sessions.erasedAt),
        ),
      ),
  );
}

const looseEpochs = z.array(z.object({ epoch: z.string(), tenant: z.string(), owner: z.string() }));

/**
 * Lists epochs that have summaries, items or messages but no row in `sessions`, not even a tombstone. Tenant and owner
 * are taken from an item or a message, if there is one. `limit` is the number of epochs examined, not of those
 * returned.
 * @returns also where the page ended; null at the end
 */
export async function listLooseEpochs(
  database: Database,
  page: { readonly after: string; readonly limit: number },
): Promise<{ readonly epochs: z.infer<typeof looseEpochs>; readonly next: string | null }> {
  const some = (table: typeof summaries | typeof summaryItems | typeof messages): SQL =>
    sql`(select distinct epoch from ${table} where epoch > ${page.after} order by 1 limit ${page.limit})`;
  const statement = sql`
    select l.epoch, coalesce(i.tenant, m.tenant, '') as tenant, coalesce(i.owner, m.owner, '') as owner,
      exists (select 1 from ${sessions} s where s.epoch = l.epoch and s.erased_at is null) as is_named
    from (${some(summaries)} union ${some(summaryItems)} union ${some(messages)} order by 1 limit ${page.limit}) l
    left join lateral (select tenant, owner from ${summaryItems} where epoch = l.epoch limit 1) i on true
    left join lateral (select tenant, owner from ${messages} where epoch = l.epoch limit 1) m on true
    order by 1`;
  const { rows } = await acrossTenants(database, "loose-epochs", (transaction) => transaction.execute(statement));
  const last = looseEpochs.parse(rows).at(-1);
  return {
    epochs: looseEpochs.parse(rows.filter((row) => row["is_named"] === false)),
    next: rows.length < page.limit || last === undefined ? null : last.epoch,
  };
}

/** Deletes the data of an epoch that has no row in `sessions`. Idempotent. */
export async function deleteLooseEpoch(database: Database, epoch: string): Promise<void> {
  await acrossTenants(database, "loose-epochs", async (transaction) => {
    for (const table of [summaries, summaryItems, messages]) {
      await transaction
        .delete(table)
        .where(
          and(
            eq(table.epoch, epoch),
            sql`not exists (select 1 from ${sessions} s where s.epoch = ${epoch} and s.erased_at is null)`,
          ),
        );
    }
  });
}
