import { readFileSync } from "node:fs";
import path from "node:path";
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyMigrations, createDatabase, withClient } from "../../scripts/dev/database.ts";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { sharedService } from "../support/service.ts";

const { databaseUrl } = sharedService();
const SEARCH = "select item_id, text from search_memory($1, $2, $3, null, '{current}', null, 10, 0)";
const TABLES = ["sessions", "summaries", "summary_items", "messages"] as const;

/** Databases and roles belong to the whole server, which other tests use as well. */
const suffix = crypto.randomUUID().slice(0, 8);
const ANON = "anon";
const database = `policies_${suffix}`;

function urlOf(name: string): string {
  const url = new URL(databaseUrl);
  url.pathname = name;
  return url.href;
}

/** As PostgREST does it: the role and the claims last for one transaction. Null claims: the setting was never made. */
function as<T>(role: string, claims: string | null, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient(urlOf(database), async (client) => {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    if (claims !== null) await client.query("select set_config('request.jwt.claims', $1, true)", [claims]);
    return use(client);
  });
}

const claimsOf = (sub: unknown, tenant: unknown): string => JSON.stringify({ sub, app_metadata: { tenant } });

/** What a reader sees, by table: the names of sessions, the texts of items and of messages, and how many summaries. */
async function visible(
  client: Client,
): Promise<{ sessions: unknown[]; summaries: number; items: unknown[]; messages: unknown[] }> {
  const sessions = await client.query("select session from sessions order by 1");
  const summaries = await client.query("select from summaries");
  const items = await client.query("select text from summary_items order by 1");
  const messages = await client.query("select content from messages order by 1");
  return {
    sessions: sessions.rows.map(({ session }) => session),
    summaries: summaries.rowCount ?? 0,
    items: items.rows.map(({ text }) => text),
    messages: messages.rows.map(({ content }) => content),
  };
}

const NOTHING = { sessions: [], summaries: 0, items: [], messages: [] };

async function insertSession(
  client: Client,
  tenant: string,
  owner: string,
  texts: readonly string[],
  erasedAt: Date | null = null,
): Promise<void> {
  const incarnation = crypto.randomUUID();
  const session = `${tenant}-${owner}-${erasedAt === null ? "live" : "erased"}`;
  await client.query(
    `insert into sessions (tenant, owner, session, incarnation, rev, head_seq, through_seq, created_at, erased_at)
     values ($1, $2, $3, $4, 1, 1, 1, now(), $5)`,
    [tenant, owner, session, incarnation, erasedAt],
  );
  await client.query(
    `insert into summaries (incarnation, version, through_seq, tokens, summarizer, degraded, dropped_items, created_at)
     values ($1, 1, 1, 1, 'test', false, 0, '2026-01-02T00:00:00Z')`,
    [incarnation],
  );
  // As the version before this one writes it: without tenant and owner.
  await client.query(
    `insert into summary_items (incarnation, item_id, from_version, kind, text, source_seqs, status)
     select $1, 'i' || n, 1, 'fact', text, '{1}', 'current' from unnest($2::text[]) with ordinality as t (text, n)`,
    [incarnation, texts],
  );
}

function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "allowed",
    (error: Error) => error.message,
  );
}

beforeAll(async () => {
  await createDatabase(databaseUrl, database);
  await withClient(urlOf(database), async (client) => {
    await client.query(
      `do $$ begin create role ${ANON} nologin; exception when duplicate_object or unique_violation then null; end $$`,
    );
    // What a Supabase project grants the roles of its API on whatever is made later.
    await client.query(
      `do $$ begin create role authenticated nologin noinherit; exception when duplicate_object or unique_violation then null; end $$`,
    );
    await client.query(`grant usage on schema public to ${ANON}, authenticated`);
    for (const kind of ["tables", "functions"]) {
      await client.query(`alter default privileges in schema public grant all on ${kind} to ${ANON}, authenticated`);
    }
  });
  await applyMigrations(urlOf(database));
  await withClient(urlOf(database), async (client) => {
    await insertSession(client, "acme", "ada", ["Ada keeps a boat in Lisbon"]);
    await insertSession(client, "acme", "ada", ["Ada erased this"], new Date());
    await insertSession(client, "acme", "bob", ["Bob keeps a boat in Porto"]);
    await insertSession(client, "acme", "-", ["The tenant keeps a boat"]);
    await insertSession(client, "other", "ada", ["Another Ada keeps a boat"]);
    await client.query(
      `insert into messages (incarnation, seq, id, role, content, created_at, tenant, owner)
       select incarnation, 1, 'm1', 'user', to_jsonb(session), now(), tenant, owner from sessions`,
    );
  });
});

afterAll(() => withClient(databaseUrl, (client) => client.query(`drop database if exists ${database} with (force)`)));

describe("a user through Supabase's own API", () => {
  it("reads their own session, its summary and its items, and none that was erased", async () => {
    expect(await as("authenticated", claimsOf("ada", "acme"), visible)).toEqual({
      sessions: ["acme-ada-live"],
      summaries: 1,
      items: ["Ada keeps a boat in Lisbon"],
      messages: ["acme-ada-live"],
    });
    expect(await as("authenticated", claimsOf("bob", "acme"), visible)).toMatchObject({
      items: ["Bob keeps a boat in Porto"],
    });
    expect(await as("authenticated", claimsOf("ada", "other"), visible)).toMatchObject({
      items: ["Another Ada keeps a boat"],
    });
  });

  it.each([
    ["a user unknown", claimsOf("eve", "acme")],
    ["another tenant", claimsOf("bob", "other")],
    ["the owner of the tenant's own sessions", claimsOf("-", "acme")],
    ["no tenant", JSON.stringify({ sub: "ada" })],
    [
      "a tenant where users can write",
      JSON.stringify({ sub: "ada", tenant: "acme", user_metadata: { tenant: "acme" } }),
    ],
    ["no sub", JSON.stringify({ app_metadata: { tenant: "acme" } })],
    ["a null for the sub", claimsOf(null, "acme")],
    ["a list for the sub", claimsOf(["ada"], "acme")],
    ["an object for the tenant", claimsOf("ada", { name: "acme" })],
    ["no claims", null],
    ["empty claims", ""],
    ["claims that are no JSON", '{"sub":"ada",'],
    ["claims that are no object", '"ada"'],
    ["claims that are null", "null"],
  ])("sees nothing with the claims of %s", async (_, claims) => {
    expect(await as("authenticated", claims, visible)).toEqual(NOTHING);
  });

  it.each(TABLES)("changes nothing in %s, though Supabase grants all on new tables", async (table) => {
    const changes = [`delete from ${table}`, `truncate ${table}`, `update ${table} set incarnation = ''`];
    for (const change of [...changes, `insert into ${table} default values`]) {
      const refused = as("authenticated", claimsOf("ada", "acme"), (client) => refusal(client.query(change)));
      expect(await refused).toMatch(/permission denied/);
    }
    expect(await as(ANON, claimsOf("ada", "acme"), (client) => refusal(client.query(`select from ${table}`)))).toMatch(
      /permission denied/,
    );
    expect(await as(ANON, null, (client) => refusal(client.query(`truncate ${table}`)))).toMatch(/permission denied/);
  });

  it.each(["authenticated", ANON])("may not call the search, which answers for any tenant, as %s", async (role) => {
    const call = as(role, claimsOf("ada", "acme"), (client) => refusal(client.query(SEARCH, ["acme", "bob", "boat"])));
    expect(await call).toMatch(/permission denied/);
  });
});

describe("the Worker's role", () => {
  it("sees every tenant, and searches for one owner", async () => {
    const all = await as("threadkeep_worker", null, visible);
    expect(all.sessions).toHaveLength(5);
    expect(all.messages).toHaveLength(5);
    const found = await as("threadkeep_worker", null, (client) =>
      client.query(SEARCH, ["acme", "ada", "boats erased"]),
    );
    expect(found.rows).toEqual([{ item_id: "i1", text: "Ada keeps a boat in Lisbon" }]);
  });

  it.each([
    "create table public.t (x int)",
    "create function public.f() returns int language sql return 1",
    "alter table summary_items add column x int",
    "drop index summary_items_search",
    "create policy p on sessions using (true)",
    "alter table sessions disable row level security",
    "truncate summary_items",
    "select * from drizzle.__drizzle_migrations",
  ])("may not: %s", async (statement) => {
    const refused = await as("threadkeep_worker", null, (client) => refusal(client.query(statement)));
    expect(refused).toMatch(/permission denied|must be owner/);
  });

  it("is held by row-level security as everybody is, the tables' owner too", async () => {
    const { rows } = await withClient(urlOf(database), (client) =>
      client.query(
        "select relname, relrowsecurity and relforcerowsecurity as is_forced from pg_class where relname = any($1) order by 1",
        [TABLES],
      ),
    );
    expect(rows).toEqual([...TABLES].toSorted().map((relname) => ({ relname, is_forced: true })));
  });
});

describe("the plans of the Worker's statements", () => {
  /** Rows enough that the planner would not rather read the whole table. */
  beforeAll(() =>
    withClient(urlOf(database), async (client) => {
      await client.query(
        `insert into sessions (tenant, owner, session, incarnation, rev, head_seq, through_seq, created_at)
         select 'many', 'user-' || n % 300, 's' || n, 'life-' || n, 1, 1, 1, now() from generate_series(1, 3000) as n`,
      );
      await client.query(
        `insert into summaries select 'life-' || n, v, 1, 1, 'test', false, 0, null, now()
         from generate_series(1, 3000) as n, generate_series(1, 3) as v`,
      );
      await client.query(
        `insert into summary_items (incarnation, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
         select 'life-' || n, 'i' || i, 1, 'fact', 'Crate ' || n * i || ' goes to harbour ' || n % 50, '{1}', 'current', 'many', 'user-' || n % 300
         from generate_series(1, 3000) as n, generate_series(1, 5) as i`,
      );
      await client.query(
        `insert into messages (incarnation, seq, id, role, content, created_at, tenant, owner)
         select 'life-' || n, s, 'm' || s, 'user', '"Ahoy"', now(), 'many', 'user-' || n % 300
         from generate_series(1, 3000) as n, generate_series(1, 5) as s`,
      );
      await client.query("vacuum analyze");
    }),
  );

  /** Runs a statement as the Worker and gives the plans of it, and of those inside its functions. */
  async function plansOf(statement: string, values: unknown[] = []): Promise<string> {
    return withClient(urlOf(database), async (client) => {
      const plans: string[] = [];
      client.on("notice", ({ message }) => plans.push(message ?? ""));
      await client.query("load 'auto_explain'");
      for (const [name, value] of [
        ["log_min_duration", "0"],
        ["log_nested_statements", "on"],
        ["log_level", "notice"],
      ] as const) {
        await client.query(`set auto_explain.${name} = ${value}`);
      }
      await client.query("set role threadkeep_worker");
      plans.length = 0;
      await client.query(statement, values);
      return plans.join("\n");
    });
  }

  it("look an owner's items up in the text index, in spite of row-level security", async () => {
    const plans = await plansOf(SEARCH, ["many", "user-7", "crate 777"]);
    expect(plans).toMatch(/Bitmap Index Scan on summary_items_search/);
    expect(plans).toMatch(/Tid Scan on summary_items/);
    expect(plans).not.toMatch(/Seq Scan on (summary_items|sessions)/);
  });

  it.each([
    [
      "newest memories of an owner",
      "summary_items_newest",
      `select i.text from summary_items i join sessions s using (incarnation)
       where i.tenant = 'many' and i.owner = 'user-7' and to_version is null and status = 'current' and kind in ('fact', 'preference')
         and s.tenant = 'many' and s.owner = 'user-7' and erased_at is null order by made_at desc limit 10`,
    ],
    [
      "the fence of a session",
      "sessions_tenant_owner_session_pk",
      "select rev from sessions where tenant = 'many' and owner = 'user-7' and session = 's7' for update",
    ],
    ["a life's session", "sessions_incarnation", "select session from sessions where incarnation = 'life-7'"],
    [
      "a life's newest summary",
      "summaries_incarnation_version_pk",
      "select through_seq from summaries where incarnation = 'life-7' order by version desc limit 1",
    ],
    [
      "a life's current items",
      "summary_items_incarnation_item_id_from_version_pk",
      "select * from summary_items where incarnation = 'life-7' and to_version is null",
    ],
    [
      "the end of a life's items",
      "summary_items_incarnation_item_id_from_version_pk",
      "delete from summary_items where incarnation = 'life-none'",
    ],
    [
      "the end of a life's summaries",
      "summaries_incarnation_version_pk",
      "delete from summaries where incarnation = 'none'",
    ],
    [
      "the messages of a life that are sent anew",
      "messages_incarnation_seq_pk",
      "delete from messages where incarnation = 'none' and seq > 3",
    ],
  ])("find %s by %s", async (_, index, statement) => {
    const plans = await plansOf(statement);
    expect(plans).toContain(index);
    expect(plans).not.toContain("Seq Scan");
  });
});

describe("the migration to a searchable archive", () => {
  it("finds items that were archived before it, for a database whose owner is no superuser and passes no policy", async () => {
    const owner = `owner_${suffix}`;
    const name = `older_${suffix}`;
    await withClient(databaseUrl, (client) => client.query(`create role ${owner} nologin createrole`));
    try {
      await createDatabase(databaseUrl, name);
      await withClient(urlOf(name), async (client) => {
        await client.query(`alter database ${name} owner to ${owner}`);
        await client.query(`alter schema public owner to ${owner}`);
        // Roles of the whole server are there already; making them is not what is tested.
        await client.query(`set role ${owner}`);
        for (const file of ["0000_archive", "0001_worker-role", "0002_carried-items"]) {
          await client.query(readFileSync(path.join(projectRoot, "migrations", `${file}.sql`), "utf8"));
        }
        await client.query("reset role");
        await insertSession(client, "acme", "ada", ["Ada keeps a boat in Lisbon"]);
        await client.query(`set role ${owner}`);
        for (const file of ["0003_memory-search", "0004_readers"]) {
          await client.query(readFileSync(path.join(projectRoot, "migrations", `${file}.sql`), "utf8"));
        }
        const { rows } = await client.query("select tenant, owner, made_at from summary_items");
        expect(rows).toEqual([{ tenant: "acme", owner: "ada", made_at: new Date("2026-01-02T00:00:00Z") }]);
        await client.query("reset role");
        await client.query("set role threadkeep_worker");
        const found = await client.query(SEARCH, ["acme", "ada", "boats"]);
        expect(found.rows).toMatchObject([{ text: "Ada keeps a boat in Lisbon" }]);
      });
    } finally {
      await withClient(databaseUrl, async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
        await client.query(`drop role ${owner}`);
      });
    }
  });
});
