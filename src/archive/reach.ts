import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/**
 * How far a transaction reaches. Row-level security holds the Worker's role to the tenant that the transaction names, and a transaction
 * that names nothing sees nothing and writes nothing: a statement that forgets its tenant finds no other's rows. What is set lasts for the
 * transaction alone, since Hyperdrive hands connections on.
 */

/** What goes over all tenants, each by a name of its own. */
export type AcrossTenants = "store-audit" | "read-audit" | "list-sessions" | "loose-epochs";

/** The transaction reaches one tenant from here on. */
export async function actForTenant(transaction: Database, tenant: string): Promise<void> {
  await transaction.execute(sql`select set_config('threadkeep.tenant', ${tenant}, true)`);
}

/** Runs a body in a transaction that reaches one tenant. Within another transaction it is a savepoint of that. */
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

/** Runs a body in a transaction of its own that reaches every tenant, for work that has a name. */
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
