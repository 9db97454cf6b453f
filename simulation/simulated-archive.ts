import { drizzle } from "drizzle-orm/node-postgres";
import { Client } from "pg";
import type { Json } from "../src/api/text.ts";
import type { Patch } from "./planted-bugs.ts";

/** What goes wrong with one transaction. */
export type ArchiveFault =
  /** No connection. */
  | { readonly kind: "refused" }
  /** The connection breaks at a statement. */
  | { readonly kind: "broken"; readonly statements: number }
  /**
   * What concerns some sessions fails within a statement: those whose names have this hash, modulo 2, or all of them if it is null. The
   * connection stays open, and what the statement does for others is done.
   */
  | { readonly kind: "refusedSessions"; readonly parity: 0 | 1 | null }
  /** One statement fails, and the connection stays open. */
  | { readonly kind: "refusedStatement"; readonly statements: number }
  /** It is committed, and its caller does not learn that. */
  | { readonly kind: "commitUnconfirmed" };

export interface ArchivedSession {
  readonly tenant: string;
  readonly owner: string;
  readonly session: string;
  readonly epoch: string;
  readonly rev: number;
  readonly head_seq: number;
  readonly through_seq: number;
  readonly metadata: Record<string, unknown>;
  readonly created_at: string;
  readonly erased_at: string | null;
}
interface ArchivedSummary {
  readonly epoch: string;
  readonly version: number;
  readonly through_seq: number;
  readonly tokens: number;
  readonly summarizer: string;
  readonly degraded: boolean;
  readonly dropped_items: number;
}
interface ArchivedItem {
  readonly epoch: string;
  readonly item_id: string;
  readonly from_version: number;
  readonly kind: string;
  readonly text: string;
  readonly source_seqs: number[];
  readonly source_session: string | null;
  readonly status: string;
}

interface ArchivedMessage {
  readonly epoch: string;
  readonly seq: number;
  readonly id: string;
  readonly role: string;
  readonly author: string | null;
  readonly content: Json;
  readonly metadata: Json;
  readonly occurred_at: string | null;
  readonly edited_at: string | null;
  readonly erased_at: string | null;
}

/** Everything in the archive. */
export interface ArchiveCopy {
  readonly sessions: readonly ArchivedSession[];
  readonly summaries: readonly ArchivedSummary[];
  readonly items: readonly ArchivedItem[];
  readonly messages: readonly ArchivedMessage[];
}

/** What it has of one epoch of a session. */
export function versionsOf({ summaries, items, messages }: ArchiveCopy, epoch: string): Omit<ArchiveCopy, "sessions"> {
  const isOfEpoch = (row: { readonly epoch: string }): boolean => row.epoch === epoch;
  return {
    summaries: summaries.filter(isOfEpoch),
    items: items.filter(isOfEpoch),
    messages: messages.filter(isOfEpoch),
  };
}

export const EMPTY: ArchiveCopy = { sessions: [], summaries: [], items: [], messages: [] };

const TABLES = ["sessions", "summaries", "summary_items", "messages"] as const;

const READ_ALL = `
  select
    (select coalesce(json_agg(s order by tenant, owner, session), '[]') from sessions s) as sessions,
    (select coalesce(json_agg(s order by epoch, version), '[]') from summaries s) as summaries,
    (select coalesce(json_agg(i order by epoch, item_id, from_version), '[]') from summary_items i) as items,
    (select coalesce(json_agg(m order by epoch, seq), '[]') from messages m) as messages`;

/** Refuses what a transaction of the simulation is to be refused; the code is that of a deadlock. */
const REFUSING = `
  create function simulation_refuses() returns trigger language plpgsql as $$
  begin
    if current_setting('simulation.refused', true) in ('all', (abs(hashtext(new.session)) % 2)::text) then
      raise exception 'refused, as the simulation asked' using errcode = '40P01';
    end if;
    return new;
  end
  $$;
  create trigger simulation_refuses before insert or update on sessions
    for each row execute function simulation_refuses()`;

class ArchiveFailed extends Error {
  override readonly name = "ArchiveFailed";
  readonly code = "57P01";
}

/** A real PostgreSQL, over one connection: transactions of the simulation never overlap, because they lock their rows in any case. */
export class SimulatedArchive {
  readonly #client: Client;
  #statementsLeft = Number.POSITIVE_INFINITY;
  #fault: ArchiveFault | null = null;
  /** The patched functions, as they were before. */
  readonly #sound: string[] = [];
  /** The current state; read again after every transaction. */
  copy: ArchiveCopy = EMPTY;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** @param databaseUrl a database with the migrations and nothing else */
  static async open(databaseUrl: string): Promise<SimulatedArchive> {
    const client = new Client({ connectionString: databaseUrl, application_name: "threadkeep-simulation" });
    await client.connect();
    for (const table of TABLES) await client.query(`alter table ${table} set unlogged`);
    await client.query("set synchronous_commit = off");
    await client.query(REFUSING);
    return new SimulatedArchive(client);
  }

  async clear(): Promise<void> {
    await this.#client.query(TABLES.map((table) => `delete from ${table}`).join("; "));
    this.copy = EMPTY;
  }

  /** Tables grow when tens of thousands of rows come and go; they are cleaned up once in a while. */
  async compact(): Promise<void> {
    await this.#client.query(`truncate ${TABLES.join(", ")}`);
  }

  /** Makes these changes of PostgreSQL's functions, in place of those that were made before. */
  async patch(patches: readonly Patch[]): Promise<void> {
    for (const definition of this.#sound.splice(0)) await this.#client.query(definition);
    for (const { file, replace, by } of patches) {
      const { rows } = await this.#client.query<{ definition: string }>(
        `select pg_get_functiondef(oid) as definition from pg_proc
         where pronamespace = 'public'::regnamespace and position($1 in prosrc) > 0`,
        [replace],
      );
      const [found, ...others] = rows;
      if (found === undefined || others.length > 0)
        throw new Error(`${rows.length} functions of PostgreSQL contain what a patch of ${file} replaces:\n${replace}`);
      this.#sound.push(found.definition);
      await this.#client.query(found.definition.replace(replace, () => by));
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  /** Restores the state at the time of a copy, as an operator does from a backup. */
  async restore(copy: ArchiveCopy): Promise<void> {
    await this.clear();
    for (const [table, rows] of [
      ["sessions", copy.sessions],
      ["summaries", copy.summaries],
      ["summary_items", copy.items],
      ["messages", copy.messages],
    ] as const) {
      const columns = await this.#columnsOf(table);
      await this.#client.query(
        `insert into ${table} (${columns}) select ${columns} from json_populate_recordset(null::${table}, $1)`,
        [JSON.stringify(rows)],
      );
    }
    await this.#read();
  }

  /** The columns that can be written: PostgreSQL computes the others. */
  async #columnsOf(table: string): Promise<string> {
    const { rows } = await this.#client.query<{ columns: string }>(
      `select string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
       from information_schema.columns where table_name = $1 and is_generated = 'NEVER'`,
      [table],
    );
    return rows[0]?.columns ?? "";
  }

  async #read(): Promise<void> {
    const { rows } = await this.#client.query<ArchiveCopy>(READ_ALL);
    this.copy = rows[0] ?? EMPTY;
  }

  /** Like `withDatabase` of src/archive/database.ts, with the faults of a network. */
  async run<T>(body: (database: unknown) => Promise<T>, fault: ArchiveFault | null): Promise<T> {
    if (fault?.kind === "refused") throw new ArchiveFailed("connection refused, as the simulation asked");
    this.#fault = fault;
    this.#statementsLeft =
      fault?.kind === "broken" || fault?.kind === "refusedStatement" ? fault.statements : Number.POSITIVE_INFINITY;
    const refused = fault?.kind === "refusedSessions" ? String(fault.parity ?? "all") : "";
    await this.#client.query("select set_config('simulation.refused', $1, false)", [refused]);
    const database = drizzle({ client: this.#client });
    const query = this.#client.query.bind(this.#client);
    const faulty = async (...args: Parameters<typeof query>): Promise<unknown> => {
      await this.#beforeStatement();
      const result: unknown = await query(...args);
      if (this.#fault?.kind === "commitUnconfirmed" && isCommitted(textOf(args[0]))) {
        throw new ArchiveFailed("the connection broke after the commit, as the simulation asked");
      }
      return result;
    };
    Object.defineProperty(this.#client, "query", { value: faulty, configurable: true });
    try {
      return await body(database);
    } finally {
      Reflect.deleteProperty(this.#client, "query");
      // What a server does when a connection is gone; it warns if no transaction is open.
      if (fault !== null) await this.#client.query("rollback");
      if (refused !== "") await this.#client.query("select set_config('simulation.refused', '', false)");
      await this.#read();
    }
  }

  async #beforeStatement(): Promise<void> {
    this.#statementsLeft -= 1;
    if (this.#statementsLeft >= 0) return;
    // A broken connection stays broken; a refused statement does not affect the next one.
    if (this.#fault?.kind === "refusedStatement") this.#statementsLeft = Number.POSITIVE_INFINITY;
    throw new ArchiveFailed("the statement failed, as the simulation asked");
  }
}

/** A batch of the archive is a statement of its own, which is committed when it ends. */
function isCommitted(statement: string): boolean {
  return statement === "commit" || statement.includes("archive_sessions");
}

function textOf(query: unknown): string {
  if (typeof query === "string") return query;
  return typeof query === "object" && query !== null && "text" in query ? String(query.text) : "";
}
