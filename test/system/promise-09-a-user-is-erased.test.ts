import path from "node:path";
import { Client } from "pg";
import { expect, it } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import type { UserErasure } from "../../src/api/user.ts";
import { databasesWith, readDatabases } from "../support/raw-pages.ts";
import { call, eventually, startOwnService } from "../support/service.ts";

const SESSIONS = 50;
const SECRET = "quince-4711-marmalade";
const USER = "ada-lovelace-1815";
const as = (user: string) => ({ "threadkeep-user": user });

async function talk(service: Service, session: string, user: string, secret: string, turns = 6): Promise<number> {
  const messages = Array.from({ length: turns }, (_, index) => ({
    role: "user",
    author: `author-${secret}`,
    content: `I decided on page ${index + 1}: the ${secret} of ${session} goes to shelf ${index + 1}.`,
    metadata: { secret },
  }));
  const append = { body: { messages }, headers: as(user) };
  return (await call(service, "POST", `/v1/sessions/${session}/messages`, append)).status;
}

async function inBatches(names: readonly string[], body: (name: string) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < names.length; from += 10) await Promise.all(names.slice(from, from + 10).map(body));
}

/** Every row of every table, as text. */
async function dump(databaseUrl: string): Promise<string> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    const dumps: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query(`select to_jsonb(t)::text as row from ${name} t`);
      dumps.push(...rows.map(({ row }) => `${name} ${row}`));
    }
    return dumps.join("\n");
  } finally {
    await client.end();
  }
}

it("promise 9: a user with 50 sessions is erased while messages keep arriving and PostgreSQL is unavailable for a while", async () => {
  const service = await startOwnService();
  const names = Array.from({ length: SESSIONS }, (_, index) => `${USER}-chat-${index + 1}`);
  await inBatches(names, async (name) => {
    const body = { id: name, metadata: { topic: SECRET } };
    await call(service, "POST", "/v1/sessions", { body, headers: as(USER) });
    expect(await talk(service, name, USER, SECRET)).toBe(201);
  });
  const summarized = names.slice(0, 8);
  await inBatches(summarized, (name) =>
    call(service, "POST", `/v1/sessions/${name}/summarize`, {
      body: { keepRecentTokens: 0, waitMs: 10_000 },
      headers: as(USER),
    }),
  );
  await call(service, "POST", `/v1/sessions/${names[0]}/fork`, { body: { id: `${USER}-fork` }, headers: as(USER) });
  expect(await talk(service, "kept", "grace", "hopper-1906-cake")).toBe(201);
  await eventually("PostgreSQL has the summaries", async () =>
    (await dump(service.databaseUrl)).includes(SECRET) ? true : undefined,
  );

  const over = new AbortController();
  const refused = new Set<number>();
  const others = Promise.all(
    [0, 1, 2].map(async (client) => {
      for (let count = 0; !over.signal.aborted; count += 1) {
        const isNew = count % 2 === 0;
        const name = isNew ? `${USER}-late-${client}-${count}` : (names[(count * 7 + client) % SESSIONS] ?? "");
        refused.add(await talk(service, name, USER, SECRET, 1));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }),
  );
  await eventually("messages arrive", () => (refused.has(201) ? true : undefined));
  await service.stopPostgres();
  const begun = await call<UserErasure>(service, "DELETE", `/v1/users/${USER}`);
  expect(begun).toMatchObject({ status: 202, body: { userId: USER, state: "erasing" } });
  expect(begun.body.sessions).toBeGreaterThanOrEqual(SESSIONS + 1);
  await eventually("nothing can be read any more, though PostgreSQL is away", async () => {
    const answers = await Promise.all(
      names.map((name) => call(service, "GET", `/v1/sessions/${name}`, { headers: as(USER) })),
    );
    return answers.every(({ status }) => status === 404) ? true : undefined;
  });
  const report = async (): Promise<UserErasure> =>
    (await call<UserErasure>(service, "GET", `/v1/users/${USER}/erasure`)).body;
  expect(await report()).toMatchObject({ state: "erasing", erased: 0 });
  await service.startPostgres();
  const done = await eventually(
    "the user is erased",
    async () => {
      const erasure = await report();
      return erasure.state === "erased" ? erasure : undefined;
    },
    60_000,
  );
  over.abort();
  await others;
  expect([...refused].toSorted()).toEqual([201, 410]);

  expect(done).toMatchObject({ found: { sessions: 0, directory: 0, archive: 0, failedJobs: 0 } });
  expect(done.erased).toBe(done.sessions);
  const list = await call(service, "GET", "/v1/sessions", { headers: as(USER) });
  expect(list.body).toMatchObject({ data: [], hasMore: false });
  const jobs = await call(service, "GET", "/v1/admin/jobs?limit=100", { key: service.adminKey });
  expect(jobs.text).not.toContain(USER);
  const archived = (await dump(service.databaseUrl)).split("\n");
  const isAudit = (row: string): boolean => row.startsWith("public.audit_events");
  for (const word of [SECRET, USER]) expect(archived.filter((row) => !isAudit(row)).join()).not.toContain(word);
  // The audit contains ids of sessions as they were chosen, but not whose they are.
  const audit = archived
    .filter(isAudit)
    .join()
    .replaceAll(new RegExp(`${USER}-(?:chat|fork|late)[\\w-]*`, "g"), "");
  for (const word of [SECRET, USER]) expect(audit).not.toContain(word);
  expect(audit).toContain("eraseUser");
  const found = await call(service, "POST", "/v1/search", { body: { query: SECRET }, headers: as(USER) });
  expect(found.body).toEqual({ data: [] });
  expect((await call(service, "GET", "/v1/sessions/kept", { headers: as("grace") })).status).toBe(200);

  await service.stop();
  const objects = readDatabases(path.join(service.stateDir, "state"));
  expect(databasesWith(objects, SECRET)).toEqual([]);
  // The local simulator keeps a list of the objects' names in addition to the objects.
  const naming = databasesWith(objects, `${USER}-chat-1`).filter((name) => !name.endsWith("metadata.sqlite"));
  expect(naming).toEqual([]);
  expect(databasesWith(objects, "hopper-1906-cake")).not.toEqual([]);
}, 240_000);
