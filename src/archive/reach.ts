import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/**
 * Row-level security restricts the Worker's role to the tenant that its transaction names; a transaction that names
 * nothing can neither read nor write. So a statement that forgets its tenant finds nothing of others. The setting ends
 * with the transaction, because Hyperdrive gives connections to others.
 */

/** The tasks that work on all tenants, by name. */
export type AcrossTenants = "store-audit" | "read-audit" | "list-sessions" | "loose-epochs";

/** Restricts the rest of the transaction to one tenant. */
async function actForTenant(transaction: Database, tenant: string): Promise<void> {
  await transaction.execute(sql`select set_config('threadkeep.tenant', ${tenant}, true)`);
}

/** Runs a body in a transaction that is restricted to one tenant. Within another transaction it becomes a savepoint. */
export function withinTenant<T>(
  database: Database,
  tenant: string,
  body: (transaction: Database) => Promise<T>,
): Promise<T> {
  return database.transaction(async (transaction) => {
    await actForTenant(transaction, tenant);
    return body(transaction);
  });
}

/** Runs a body in its own transaction with access to all tenants, for a named task. */
export function acrossTenants<T>(
  database: Database,
  work: AcrossTenants,
  body: (transaction: Database) => Promise<T>,
): Promise<T> {
  return database.transaction(async (transaction) => {
    await transaction.execute(sql`select set_config('threadkeep.across_tenants', ${work}, true)`);
    return body(transaction);
  });
}
