import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { type Database, withDatabase } from "../../../src/archive/database.ts";
import { withinTenant } from "../../../src/archive/reach.ts";

/** Looks into PostgreSQL, or changes something there, as the owner of its tables, who sees every tenant. Nothing of src runs so. */
export function onArchive<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(inject("databaseUrl"), body);
}

/** As the Worker connects: what it does not name, it does not see. */
export function asWorker<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(env.HYPERDRIVE.connectionString, body);
}

/** In a transaction of the Worker's that names a tenant. */
export function asWorkerOf<T>(
  { tenant }: { readonly tenant: string },
  body: (transaction: Database) => Promise<T>,
): Promise<T> {
  return asWorker((database) => withinTenant(database, tenant, body));
}
