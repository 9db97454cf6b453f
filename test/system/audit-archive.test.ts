import { Client } from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { applyMigrations, createDatabase } from "../../scripts/dev/database.ts";
import { sharedService } from "../support/service.ts";

const { databaseUrl } = sharedService();
const DAY_MS = 86_400_000;
const READERS = ["anon", "authenticated", "service_role"];

/** Databases and roles belong to the whole server, which other tests use as well. */
const database = `audit_${crypto.randomUUID().slice(0, 8)}`;

async function query(text: string, values: unknown[] = [], role: string | null = null) {
  const url = new URL(databaseUrl);
  url.pathname = database;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    if (role !== null) await client.query(`set role ${role}`);
    if (role !== null) await client.query("set threadkeep.across_tenants = 'store-audit'");
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}

function insert(id: string, at: Date, role: string | null = "threadkeep_worker") {
  return query(
    "insert into audit_events (id, at, actor_kind, actor, action, result) values ($1, $2, 'admin', 'admin', 'readAudit', 'ok')",
    [id, at],
    role,
  );
}

async function partitions(): Promise<string[]> {
  const rows = await query(
    "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_events'::regclass order by 1",
  );
  return rows.map(({ name }) => String(name));
}

/** The partition's suffix, such as `2026_11`, for a date in November 2026 and this many months later. */
function monthOf(months: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months))
    .toISOString()
    .slice(0, 7)
    .replace("-", "_");
}

const partitionOf = (months: number): string => `audit_events_${monthOf(months)}`;

async function placeOf(id: string): Promise<unknown> {
  const rows = await query("select tableoid::regclass::text as place from audit_events where id = $1", [id]);
  return rows[0]?.["place"];
}

const retain = (days: number) => query("select created, dropped from retain_audit($1)", [days], "threadkeep_worker");

beforeAll(async () => {
  await createDatabase(databaseUrl, database);
  // As on Supabase: the roles of its API, and grants to them on everything that is created later.
  for (const reader of READERS) {
    await query(
      `do $$ begin create role ${reader} nologin noinherit; exception when duplicate_object or unique_violation then null; end $$`,
    );
    await query(`alter default privileges in schema public grant all on tables to ${reader}`);
    await query(`alter default privileges in schema public grant all on functions to ${reader}`);
  }
  const url = new URL(databaseUrl);
  url.pathname = database;
  await applyMigrations(url.href);
});

describe("the partitions of the audit", () => {
  it("exist for this month and the next two, and none is created twice", async () => {
    expect(await partitions()).toEqual([partitionOf(0), partitionOf(1), partitionOf(2), "audit_events_default"]);
    expect(await retain(400)).toEqual([{ created: 0, dropped: 0 }]);
  });

  it("contain the events of their month; the default partition contains all others", async () => {
    await insert("now", new Date());
    await insert("late", new Date(Date.now() - 90 * DAY_MS));
    expect(await placeOf("now")).toBe(partitionOf(0));
    expect(await placeOf("late")).toBe("audit_events_default");
  });

  it("are dropped when all of their events are too old, together with equally old events of the default partition, and not earlier", async () => {
    await query(
      `create table ${partitionOf(-5)} partition of audit_events for values from (now() - interval '200 days') to (now() - interval '140 days')`,
    );
    await insert("old", new Date(Date.now() - 150 * DAY_MS));
    await insert("older", new Date(Date.now() - 500 * DAY_MS));
    await insert("not so old", new Date(Date.now() - 90 * DAY_MS));
    expect(await retain(1_000)).toEqual([{ created: 0, dropped: 0 }]);
    expect(await placeOf("old")).toBe(partitionOf(-5));
    expect(await retain(100)).toEqual([{ created: 0, dropped: 1 }]);
    expect(await placeOf("old")).toBeUndefined();
    expect(await placeOf("older")).toBeUndefined();
    expect(await placeOf("not so old")).toBe("audit_events_default");
  });

  it("take over events that came while the partition was missing", async () => {
    await query(`drop table ${partitionOf(1)}`);
    const next = new Date(`${monthOf(1).replace("_", "-")}-15T00:00:00Z`);
    await insert("early", next);
    expect(await placeOf("early")).toBe("audit_events_default");
    expect(await retain(400)).toEqual([{ created: 1, dropped: 0 }]);
    expect(await placeOf("early")).toBe(partitionOf(1));
  });

  it("are accessible to nobody directly, and the parent table not to the roles of Supabase's API", async () => {
    const open = await query(
      `select reader, name, asked from unnest($1::text[]) as reader, unnest($2::text[]) as name,
         unnest('{select,insert,update,delete,truncate}'::text[]) as asked
       where has_table_privilege(reader, name, asked)`,
      [
        [...READERS, "threadkeep_worker"],
        ["audit_events", ...(await partitions())],
      ],
    );
    expect(
      open.map(({ reader, name, asked }) => `${String(reader)}: ${String(asked)} ${String(name)}`).toSorted(),
    ).toEqual(["threadkeep_worker: insert audit_events", "threadkeep_worker: select audit_events"]);
    const functions = await query(
      "select r.rolname from pg_roles r where r.rolname = any($1) and has_function_privilege(r.rolname, 'retain_audit(integer)', 'execute')",
      [READERS],
    );
    expect(functions).toEqual([]);
    const forced = await query(
      "select relname from pg_class where relname like 'audit_events%' and relkind in ('r', 'p') and not relrowsecurity",
    );
    expect(forced).toEqual([]);
  });
});

describe("the plans of a page of the audit", () => {
  beforeAll(async () => {
    await query(
      `insert into audit_events (id, at, tenant, actor_kind, actor, "user", session, action, result)
       select 'many-' || n, now() - n * interval '1 second', 'tenant-' || n % 20, 'tenant-key', 'key:' || n % 20, 'user-' || n % 20,
         'session-' || n % 20, 'action-' || n % 20, 'result-' || n % 20
       from generate_series(1, 9000) as n
       union all
       select 'usual-' || n, now() - n * interval '1 second', 'tenant-' || n % 20, 'tenant-key', 'key:' || n % 20, 'user-' || n % 20,
         'session-' || n % 20, 'appendMessages', 'ok'
       from generate_series(1, 9000) as n`,
    );
    await query("vacuum analyze audit_events");
  });

  const page = (condition: string) =>
    query(
      `explain select * from audit_events where ${condition} and (at, id) < (now(), 'x') order by at desc, id desc limit 20`,
      [],
      "threadkeep_worker",
    ).then((rows) => JSON.stringify(rows));

  it.each([
    ["tenant", "tenant-7"],
    ["user", "user-7"],
    ["session", "session-7"],
    ["actor", "key:7"],
    ["action", "action-7"],
    ["result", "result-7"],
  ])("read it, filtered by %s, from that filter's own index, newest first", async (column, value) => {
    const plan = await page(`"${column}" = '${value}'`);
    expect(plan).toContain(`${column}_at_idx`);
    // Only events of the same millisecond are sorted.
    expect(plan).toContain("Presorted Key: audit_events.at");
    expect(plan).not.toMatch(/->\s+Sort|Seq Scan/);
  });

  it.each([
    ["action", "appendMessages"],
    ["result", "ok"],
  ])("read the usual %s, which most events have, newest first by the primary key", async (column, value) => {
    const plan = await page(`"${column}" = '${value}'`);
    expect(plan).toContain("_pkey");
    expect(plan).not.toMatch(/->\s+(Incremental )?Sort|Seq Scan/);
  });
});
