import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { type Database, withDatabase } from "../../../src/archive/database.ts";
import { withinTenant } from "../../../src/archive/reach.ts";
import {
  type ArchiveErasure,
  type ArchiveResult,
  type ArchiveWrite,
  changeSessions,
} from "../../../src/archive/sessions.ts";

/** Reads or changes PostgreSQL as the owner of its tables, who sees every tenant. No code of src runs like this. */
export function onArchive<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(inject("databaseUrl"), body);
}

/** As the Worker connects: it only sees the tenant that it names. */
export function asWorker<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(env.HYPERDRIVE.connectionString, body);
}

/** In a transaction of the Worker's role that names a tenant. */
export function asWorkerOf<T>(
  { tenant }: { readonly tenant: string },
  body: (transaction: Database) => Promise<T>,
): Promise<T> {
  return asWorker((database) => withinTenant(database, tenant, body));
}

/** Applies one change of the archive, as the Worker's role. */
export async function changeArchive(change: ArchiveWrite | ArchiveErasure): Promise<ArchiveResult | undefined> {
  const [result] = await asWorker((database) => changeSessions(database, [change]));
  return result;
}
