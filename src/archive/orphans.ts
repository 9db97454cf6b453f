import { and, eq, isNotNull, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { TENANT_OWNER } from "../api/session.ts";
import type { Database } from "./database.ts";
import type { HeldRow } from "./held.ts";
import { acrossTenants, withinTenant } from "./reach.ts";
import { applyErasure } from "./sessions.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";
import { forgetEpoch } from "./users.ts";

/** What the archive holds and no object knows: of a session that was erased before PostgreSQL was restored, as a rule. */

/**
 * Erases an epoch that no object knows. A tombstone stays, as after any erasure; of a session of a user one without a name, since the
 * user may be erased as well. In a transaction of its own. Idempotent.
 */
export async function eraseOrphan(database: Database, { epoch, createdAt, ...ref }: HeldRow): Promise<void> {
  if (ref.owner !== TENANT_OWNER) {
    await forgetEpoch(database, ref, epoch);
    return;
  }
  await withinTenant(database, ref.tenant, (transaction) => applyErasure(transaction, { ref, epoch, createdAt }));
}

/**
 * Takes away the tombstone of an epoch that its object says is not over: the archive takes nothing more of it while one is there.
 * Idempotent.
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
 * Epochs of which something is held, and no row says of which session they are: neither its row nor a tombstone. Whose they were is
 * told where an item or a message says it. Looks at so many lives, and not only at those that it tells.
 * @returns also where the look ended; null at the end
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

/** Deletes what is held of an epoch that no row names. Idempotent. */
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
