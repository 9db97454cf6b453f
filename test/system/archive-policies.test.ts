import { readdirSync, readFileSync } from "node:fs";
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
const API_ROLES = ["anon", "authenticated", "service_role"];
const database = `policies_${suffix}`;

function urlOf(name: string): string {
  const url = new URL(databaseUrl);
  url.pathname = name;
  return url.href;
}

/** A role, and the settings of its transaction, which the Worker and PostgREST both make. */
function as<T>(role: string, settings: Record<string, string>, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient(urlOf(database), async (client) => {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    for (const setting of Object.entries(settings)) await client.query("select set_config($1, $2, true)", setting);
    return use(client);
  });
}

const ofTenant = (tenant: string): Record<string, string> => ({ "threadkeep.tenant": tenant });
const ACROSS = { "threadkeep.across_tenants": "list-sessions" };

/** What a reader sees in each table: names of sessions, texts of items and of messages, and the number of summaries. */
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
  const epoch = crypto.randomUUID();
  const session = `${tenant}-${owner}-${erasedAt === null ? "live" : "erased"}`;
  await client.query(
    `insert into sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at, erased_at)
     values ($1, $2, $3, $4, 1, 1, 1, now(), $5)`,
    [tenant, owner, session, epoch, erasedAt],
  );
  await client.query(
    `insert into summaries (epoch, version, through_seq, tokens, summarizer, degraded, dropped_items, created_at, tenant)
     values ($1, 1, 1, 1, 'test', false, 0, '2026-01-02T00:00:00Z', $2)`,
    [epoch, tenant],
  );
  await client.query(
    `insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
     select $1, 'i' || n, 1, 'fact', text, '{1}', 'current', $3, $4 from unnest($2::text[]) with ordinality as t (text, n)`,
    [epoch, texts, tenant, owner],
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
    // As on Supabase: the roles of its API, and grants to them on everything that is created later.
    for (const role of API_ROLES) {
      const rights = role === "service_role" ? "nologin noinherit bypassrls" : "nologin noinherit";
      await client.query(
        `do $$ begin create role ${role} ${rights}; exception when duplicate_object or unique_violation then null; end $$`,
      );
      if (role === "service_role") await client.query("alter role service_role bypassrls");
    }
    await client.query(`grant usage on schema public to ${API_ROLES.join(", ")}`);
    for (const kind of ["tables", "functions", "sequences"]) {
      await client.query(`alter default privileges in schema public grant all on ${kind} to ${API_ROLES.join(", ")}`);
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
      `insert into messages (epoch, seq, id, role, content, created_at, tenant, owner)
       select epoch, 1, 'm1', 'user', to_jsonb(session), now(), tenant, owner from sessions`,
    );
  });
});

afterAll(() => withClient(databaseUrl, (client) => client.query(`drop database if exists ${database} with (force)`)));

describe.each(["anon", "service_role"])(
  "%s, a role of Supabase's API, to which Supabase grants all rights on new tables",
  (role) => {
    const claims = { "request.jwt.claims": JSON.stringify({ sub: "ada", app_metadata: { tenant: "acme" } }) };
    const settings = { ...claims, ...ofTenant("acme"), ...ACROSS };

    it.each([...TABLES, "audit_events", "audit_events_default"])("cannot use %s", async (table) => {
      for (const statement of [
        `select from ${table}`,
        `delete from ${table}`,
        `truncate ${table}`,
        `update ${table} set tenant = ''`,
        `insert into ${table} default values`,
      ]) {
        const refused = as(role, settings, (client) => refusal(client.query(statement)));
        expect(await refused, statement).toMatch(/permission denied/);
      }
    });

    it("may call no function", async () => {
      for (const call of [
        "select archive_sessions('[]')",
        "select archive_session('{}')",
        "select * from search_memory('acme', 'bob', 'boat', null, null, null, 10, 0)",
        "select memory_terms('boat')",
        "select * from retain_audit(400)",
        "select memory_claim('sub')",
      ]) {
        expect(await as(role, settings, (client) => refusal(client.query(call))), call).toMatch(
          /permission denied|does not exist/,
        );
      }
    });

    it("has no right on any existing table or function", async () => {
      const { rows } = await withClient(urlOf(database), (client) =>
        client.query(
          `select c.relname as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'S') and has_table_privilege($1, c.oid, 'select, insert, update, delete, truncate')
         union all
         select p.proname from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
         where n.nspname = 'public' and has_function_privilege($1, p.oid, 'execute')`,
          [role],
        ),
      );
      expect(rows).toEqual([]);
    });
  },
);

/** The claims of a user's token, in the form in which PostgREST passes them on. */
function claimed(claims: string | null): Record<string, string> {
  return claims === null ? {} : { "request.jwt.claims": claims };
}

const claimsOf = (sub: unknown, tenant: unknown): string => JSON.stringify({ sub, app_metadata: { tenant } });

describe("authenticated, the role of a user through Supabase's API, to which Supabase grants all rights on new tables", () => {
  const ada = { ...claimed(claimsOf("ada", "acme")), ...ofTenant("acme"), ...ACROSS };

  it("reads their own session, its summary and items, and nothing that was erased, whatever other claims say", async () => {
    const own = {
      sessions: ["acme-ada-live"],
      summaries: 1,
      items: ["Ada keeps a boat in Lisbon"],
      messages: ["acme-ada-live"],
    };
    expect(await as("authenticated", claimed(claimsOf("ada", "acme")), visible)).toEqual(own);
    expect(await as("authenticated", ada, visible)).toEqual(own);
    expect(await as("authenticated", claimed(claimsOf("bob", "acme")), visible)).toMatchObject({
      items: ["Bob keeps a boat in Porto"],
    });
    expect(await as("authenticated", claimed(claimsOf("ada", "other")), visible)).toMatchObject({
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
    expect(await as("authenticated", { ...claimed(claims), ...ACROSS }, visible)).toEqual(NOTHING);
  });

  it.each(TABLES)("cannot change %s", async (table) => {
    const changes = [`delete from ${table}`, `truncate ${table}`, `update ${table} set epoch = ''`];
    for (const change of [...changes, `insert into ${table} default values`]) {
      const refused = as("authenticated", ada, (client) => refusal(client.query(change)));
      expect(await refused).toMatch(/permission denied/);
    }
  });

  it("may neither call the search, which would answer for any tenant, nor read the audit", async () => {
    const search = as("authenticated", ada, (client) => refusal(client.query(SEARCH, ["acme", "bob", "boat"])));
    expect(await search).toMatch(/permission denied/);
    const audit = as("authenticated", ada, (client) => refusal(client.query("select from audit_events")));
    expect(await audit).toMatch(/permission denied/);
  });
});

describe("the Worker's role", () => {
  it("sees nothing in a transaction that names no tenant, also after one that did", async () => {
    expect(await as("threadkeep_worker", {}, visible)).toEqual(NOTHING);
    expect(
      await as("threadkeep_worker", { "threadkeep.tenant": "", "threadkeep.across_tenants": "" }, visible),
    ).toEqual(NOTHING);
    await withClient(urlOf(database), async (client) => {
      await client.query("set role threadkeep_worker");
      await client.query("begin");
      await client.query(
        "select set_config('threadkeep.tenant', 'acme', true), set_config('threadkeep.across_tenants', 'x', true)",
      );
      await client.query("commit");
      expect(await visible(client)).toEqual(NOTHING);
    });
  });

  it("sees only the tenant that the transaction names", async () => {
    expect(await as("threadkeep_worker", ofTenant("other"), visible)).toEqual({
      sessions: ["other-ada-live"],
      summaries: 1,
      items: ["Another Ada keeps a boat"],
      messages: ["other-ada-live"],
    });
    expect((await as("threadkeep_worker", ofTenant("acme"), visible)).sessions).toHaveLength(4);
    expect(await as("threadkeep_worker", ofTenant("nobody"), visible)).toEqual(NOTHING);
  });

  it.each(TABLES)("cannot write or delete rows of another tenant in %s", async (table) => {
    const counted = await as("threadkeep_worker", ofTenant("other"), async (client) => {
      const moved = await refusal(client.query(`update ${table} set tenant = 'acme'`));
      await client.query("rollback");
      return moved;
    });
    expect(counted).toMatch(/violates row-level security policy/);
    const others = await as("threadkeep_worker", ofTenant("other"), async (client) => [
      (await client.query(`delete from ${table} where tenant = 'acme'`)).rowCount,
      (await client.query(`update ${table} set epoch = 'taken' where tenant = 'acme'`)).rowCount,
    ]);
    expect(others).toEqual([0, 0]);
  });

  it("cannot add another tenant's event to the audit, or read any event there", async () => {
    const add = (tenant: string) =>
      `insert into audit_events (id, at, tenant, actor_kind, actor, action, result)
       values ('${crypto.randomUUID()}', now(), '${tenant}', 'admin', 'admin', 'readAudit', 'ok')`;
    expect(await as("threadkeep_worker", ofTenant("acme"), (client) => refusal(client.query(add("other"))))).toMatch(
      /violates row-level security policy/,
    );
    await as("threadkeep_worker", ofTenant("acme"), async (client) => {
      await client.query(add("acme"));
      expect((await client.query("select from audit_events")).rowCount).toBe(1);
      await client.query("select set_config('threadkeep.tenant', 'other', true)");
      expect((await client.query("select from audit_events")).rowCount).toBe(0);
    });
  });

  it("sees every tenant in work that names itself as work across tenants", async () => {
    const all = await as("threadkeep_worker", ACROSS, visible);
    expect(all.sessions).toEqual(expect.arrayContaining(["acme-ada-live", "acme---live", "other-ada-live"]));
    expect(all.items).toEqual(expect.arrayContaining(["Bob keeps a boat in Porto", "Another Ada keeps a boat"]));
    expect(all.messages).toEqual(expect.arrayContaining(["acme-bob-live", "other-ada-live"]));
    expect(all.summaries).toBeGreaterThanOrEqual(5);
  });

  it("searches only the owner that it names", async () => {
    const found = await as("threadkeep_worker", {}, (client) => client.query(SEARCH, ["acme", "ada", "boats erased"]));
    expect(found.rows).toEqual([{ item_id: "i1", text: "Ada keeps a boat in Lisbon" }]);
  });

  it("is stopped at a statement that hangs, and at a transaction that is left open", async () => {
    const { rows } = await withClient(urlOf(database), (client) =>
      client.query(
        `select unnest(s.setconfig) as setting from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase
         where s.setrole = 'threadkeep_worker'::regrole and d.datname = current_database()`,
      ),
    );
    expect(rows.map(({ setting }) => setting)).toEqual(
      expect.arrayContaining(["statement_timeout=20s", "idle_in_transaction_session_timeout=60s"]),
    );
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
    const refused = await as("threadkeep_worker", ACROSS, (client) => refusal(client.query(statement)));
    expect(refused).toMatch(/permission denied|must be owner/);
  });

  it("is bound by row-level security, as is the owner of the tables", async () => {
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
  /** Enough rows that the planner does not prefer to read the whole table. */
  beforeAll(() =>
    withClient(urlOf(database), async (client) => {
      await client.query(
        `insert into sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at)
         select 'many', 'user-' || n % 300, 's' || n, 'epoch-' || n, 1, 1, 1, now() from generate_series(1, 3000) as n`,
      );
      await client.query(
        `insert into summaries select 'epoch-' || n, v, 1, 1, 'test', false, 0, null, now(), null, 'many'
         from generate_series(1, 3000) as n, generate_series(1, 3) as v`,
      );
      await client.query(
        `insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
         select 'epoch-' || n, 'i' || i, 1, 'fact', 'Crate ' || n * i || ' goes to harbour ' || n % 50, '{1}', 'current', 'many', 'user-' || n % 300
         from generate_series(1, 3000) as n, generate_series(1, 5) as i`,
      );
      await client.query(
        `insert into messages (epoch, seq, id, role, content, created_at, tenant, owner)
         select 'epoch-' || n, s, 'm' || s, 'user', '"Ahoy"', now(), 'many', 'user-' || n % 300
         from generate_series(1, 3000) as n, generate_series(1, 5) as s`,
      );
      await client.query("vacuum analyze");
    }),
  );

  /** Runs a statement as the Worker, and returns its plans and those of the statements inside its functions. */
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
      await client.query("set threadkeep.tenant = 'many'");
      plans.length = 0;
      await client.query(statement, values);
      return plans.join("\n");
    });
  }

  it("look up an owner's items in the text index, in spite of row-level security", async () => {
    const plans = await plansOf(SEARCH, ["many", "user-7", "crate 777"]);
    expect(plans).toMatch(/Bitmap Index Scan on summary_items_search/);
    expect(plans).toMatch(/Tid Scan on summary_items/);
    expect(plans).not.toMatch(/Seq Scan on (summary_items|sessions)/);
  });

  it.each([
    [
      "newest memories of an owner",
      "summary_items_newest",
      `select i.text from summary_items i join sessions s using (epoch)
       where i.tenant = 'many' and i.owner = 'user-7' and status = 'current' and kind in ('fact', 'preference')
         and s.tenant = 'many' and s.owner = 'user-7' and erased_at is null order by made_at desc limit 10`,
    ],
    [
      "the fence of a session",
      "sessions_tenant_owner_session_pk",
      "select rev from sessions where tenant = 'many' and owner = 'user-7' and session = 's7' for update",
    ],
    ["an epoch's session", "sessions_epoch", "select session from sessions where epoch = 'epoch-7'"],
    [
      "an epoch's newest summary",
      "summaries_epoch_version_pk",
      "select through_seq from summaries where epoch = 'epoch-7' order by version desc limit 1",
    ],
    ["an epoch's current items", "summary_items_epoch", "select * from summary_items where epoch = 'epoch-7'"],
    ["the end of an epoch's items", "summary_items_epoch", "delete from summary_items where epoch = 'epoch-none'"],
    ["the end of an epoch's summaries", "summaries_epoch_version_pk", "delete from summaries where epoch = 'none'"],
    [
      "the messages of an epoch that are sent anew",
      "messages_epoch_seq_pk",
      "delete from messages where epoch = 'none' and seq > 3",
    ],
  ])("find %s by %s", async (_, index, statement) => {
    const plans = await plansOf(statement);
    expect(plans).toContain(index);
    expect(plans).not.toContain("Seq Scan");
  });
});

describe("the terms of a text", () => {
  it.each([
    ["ten thousand Han", "字典漢語".repeat(2_500), 10_000],
    ["ten times as many, which no query is long enough for", "字典漢語".repeat(25_000), 10_000],
    ["ten thousand that stand for 18 each", "\ufdfa".repeat(10_000), undefined],
    ["five thousand words", Array.from({ length: 5_000 }, (_, index) => `w${index}`).join(" "), undefined],
  ])("take no longer for each character of %s", async (_, said, count) => {
    // Cutting characters off from the beginning takes thirty times as long, and with a hundred thousand characters longer than this limit.
    const terms = await withClient(urlOf(database), async (client) => {
      await client.query("set statement_timeout = '5s'");
      return client.query<{ count: number }>("select cardinality(memory_terms($1)) as count", [said]);
    });
    if (count !== undefined) expect(terms.rows[0]?.count).toBe(count);
    expect(terms.rows[0]?.count).toBeLessThanOrEqual(20_000);
  });

  it("are pairs of characters in scripts without spaces, with the last character alone, and stems elsewhere", async () => {
    const { rows } = await withClient(urlOf(database), (client) =>
      client.query("select memory_terms($1) as terms", ["田中さん met Ünal at 東京: walking!"]),
    );
    expect(rows[0].terms).toEqual(["田中", "中さ", "さん", "ん", "met", "unal", "at", "東京", "京", "walk"]);
  });
});

describe("the migrations", () => {
  it("make a searchable archive in a database whose owner is no superuser and does not bypass policies", async () => {
    const owner = `owner_${suffix}`;
    const plain = `plain_${suffix}`;
    await withClient(databaseUrl, (client) => client.query(`create role ${owner} nologin createrole`));
    try {
      await createDatabase(databaseUrl, plain);
      await withClient(urlOf(plain), async (client) => {
        await client.query(`alter database ${plain} owner to ${owner}`);
        await client.query(`alter schema public owner to ${owner}`);
        // The roles belong to the whole server and exist already; creating them is not tested here.
        await client.query(`set role ${owner}`);
        const folder = path.join(projectRoot, "migrations");
        const files = readdirSync(folder).filter((entry) => entry.endsWith(".sql"));
        for (const file of files.toSorted()) {
          await client.query(readFileSync(path.join(folder, file), "utf8"));
        }
        await client.query("reset role");
        await insertSession(client, "acme", "ada", ["Ada keeps a boat in Lisbon"]);
        await client.query("set role threadkeep_worker");
        const found = await client.query(SEARCH, ["acme", "ada", "boats"]);
        expect(found.rows).toMatchObject([{ text: "Ada keeps a boat in Lisbon" }]);
      });
    } finally {
      await withClient(databaseUrl, async (client) => {
        await client.query(`drop database if exists ${plain} with (force)`);
        await client.query(`drop role ${owner}`);
      });
    }
  });
});
