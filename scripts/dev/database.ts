import path from "node:path";
import { Client } from "pg";
import { readJsonFile } from "./files.ts";
import { projectRoot } from "./paths.ts";
import { describeError, StartError } from "./start-error.ts";

/** The role with only the privileges that the Worker needs. Migrations create it, but do not set its password. */
const WORKER_ROLE = "threadkeep_worker";

/** A statement that takes this long is stuck, and a transaction that is left open holds locks. */
const WORKER_TIMEOUTS = { statement_timeout: "20s", idle_in_transaction_session_timeout: "60s" };

const MIGRATIONS = path.join(projectRoot, "migrations");

/** Advisory lock with which concurrent starts on one server take turns. The number is arbitrary. */
const MIGRATION_LOCK = 7_237_001;

/** Creates the database on a server of ours if it does not exist. */
export async function createDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    const found = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  });
}

export async function applyMigrations(databaseUrl: string): Promise<void> {
  const newest = readNewestMigration();
  if (newest === null) return;
  try {
    await withClient(databaseUrl, async (client) => {
      await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
      if (await isApplied(client, newest)) return;
      // Imported only here, because it takes a second, and most starts have nothing to migrate.
      const { drizzle } = await import("drizzle-orm/node-postgres");
      const { migrate } = await import("drizzle-orm/node-postgres/migrator");
      await migrate(drizzle(client), { migrationsFolder: MIGRATIONS });
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? ` (${describeError(error.cause)})` : "";
    throw new StartError(
      `The migrations could not be applied: ${describeError(error)}${cause}\n` +
        "Check that the server in DATABASE_URL answers and that its role may create schemas and tables.",
      { cause: error },
    );
  }
}

/**
 * When the newest migration was created, in ms; drizzle compares this time to find out what is applied. Null if there
 * are none.
 */
function readNewestMigration(): number | null {
  const journal = readJsonFile(path.join(MIGRATIONS, "meta", "_journal.json"));
  if (typeof journal !== "object" || journal === null || !("entries" in journal)) return null;
  const { entries } = journal;
  if (!Array.isArray(entries) || entries.length === 0) return null;
  return Math.max(...entries.map((entry) => Number(entry.when)));
}

async function isApplied(client: Client, newest: number): Promise<boolean> {
  const table = "drizzle.__drizzle_migrations";
  const found = await client.query<{ exists: boolean }>("select to_regclass($1) is not null as exists", [table]);
  if (found.rows[0]?.exists !== true) return false;
  const last = await client.query<{ at: string | null }>(`select max(created_at) as at from ${table}`);
  return Number(last.rows[0]?.at ?? 0) >= newest;
}

/** Lets the Worker's role log in, and returns its database address; null if the migrations define no such role. */
export async function openWorkerRole(databaseUrl: string, password: string): Promise<string | null> {
  return withClient(databaseUrl, async (client) => {
    const found = await client.query("select 1 from pg_roles where rolname = $1", [WORKER_ROLE]);
    if (found.rowCount === 0) return null;
    await client.query(`alter role ${WORKER_ROLE} login password ${client.escapeLiteral(password)}`);
    // The same timeouts that the migrations set if they may change the role.
    const database = client.escapeIdentifier(client.database ?? "postgres");
    for (const [name, value] of Object.entries(WORKER_TIMEOUTS)) {
      await client.query(`alter role ${WORKER_ROLE} in database ${database} set ${name} = '${value}'`);
    }
    const url = new URL(databaseUrl);
    url.username = WORKER_ROLE;
    url.password = password;
    return url.href;
  });
}

/** Opens a connection for the duration of `use`. */
export async function withClient<Result>(url: string, use: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
