import { DrizzleQueryError } from "drizzle-orm";
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import { Client } from "pg";

/** Longer than a round trip to another continent, shorter than a batch may take. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A statement that takes longer is stuck, on a lock or on a dead connection. */
const STATEMENT_TIMEOUT_MS = 20_000;

export type Database = NodePgDatabase;

/**
 * PostgreSQL did not accept the connection; `cause` says why.
 * @internal Stand-ins of the archive throw it.
 */
export class ArchiveUnreachable extends Error {
  override readonly name = "ArchiveUnreachable";
}

/** SQLSTATE classes of errors that a retry does not change: data, constraints, names and privileges. */
const OWN_FAULT = /^(?:22|23|42)/;

/** Whether PostgreSQL is out of reach or temporarily unable to answer, so that a retry may succeed. */
export function isArchiveAway(error: unknown): boolean {
  if (error instanceof ArchiveUnreachable) return true;
  if (!(error instanceof DrizzleQueryError)) return false;
  const { cause } = error;
  return !(cause !== undefined && "code" in cause && typeof cause.code === "string" && OWN_FAULT.test(cause.code));
}

/**
 * Runs `body` on a connection of its own, one per invocation: Hyperdrive keeps the pool, and a connection kept across
 * invocations would belong to a request that has ended.
 * @param traceIds trace ids of the requests that it is for; each statement begins with a comment that contains them,
 *   for readers of PostgreSQL's log
 * @throws {ArchiveUnreachable} before `body` is called
 */
export async function withDatabase<T>(
  connectionString: string,
  body: (database: Database) => Promise<T>,
  traceIds: readonly string[] = [],
): Promise<T> {
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    application_name: "threadkeep",
  });
  // Without a listener, a connection that breaks while idle would crash the isolate; the next query reports the error
  // anyway.
  client.on("error", () => undefined);
  tellTraces(client, traceIds);
  try {
    await client.connect().catch((cause: unknown) => {
      throw new ArchiveUnreachable("PostgreSQL did not take the connection", { cause });
    });
    return await body(drizzle({ client }));
  } finally {
    await client.end().catch(() => undefined);
  }
}

const TRACE_ID = /^[0-9a-f]{32}$/;
/** A batch may be for many requests, and a comment longer than its statement would help nobody. */
const MAX_TOLD_TRACES = 5;

/**
 * Uses comments because they cost no round trip and last for one statement. A connection's settings would stay with it
 * when Hyperdrive gives it to somebody else.
 */
function tellTraces(client: Client, traceIds: readonly string[]): void {
  const told = [...new Set(traceIds)].filter((id) => TRACE_ID.test(id)).slice(0, MAX_TOLD_TRACES);
  if (told.length === 0) return;
  const comment = `/* trace ${told.join(" ")} */ `;
  Object.defineProperty(client, "query", {
    value: (query: unknown, ...rest: readonly unknown[]): unknown =>
      Reflect.apply(Client.prototype.query, client, [withComment(query, comment), ...rest]),
  });
}

function withComment(query: unknown, comment: string): unknown {
  if (typeof query === "string") return comment + query;
  const isPlain = typeof query === "object" && query !== null && Object.getPrototypeOf(query) === Object.prototype;
  return isPlain && "text" in query ? { ...query, text: comment + String(query.text) } : query;
}
