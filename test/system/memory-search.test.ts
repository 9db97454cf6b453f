import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { problemSchema } from "../../src/api/errors.ts";
import { type Answer, call, eventually, sharedService, startOwnService } from "../support/service.ts";

interface Hit {
  sessionId: string;
  item: { id: string; text: string; sourceSeqs: number[] };
  score: number;
  snippet: string;
}
type Found = Answer<{ data: Hit[] }>;
type Target = Parameters<typeof call>[0];

const service = sharedService();
const newId = (): string => `memory-${crypto.randomUUID()}`;
const asUser = (user: string): Record<string, string> => ({ "threadkeep-user": user });

function search(body: unknown, user?: string, target: Target = service): Promise<Found> {
  return call(target, "POST", "/v1/search", { body, headers: user === undefined ? {} : asUser(user) });
}

/** This many messages stay verbatim, whatever the settings are. */
const RECENT = ["One.", "Two.", "Three.", "Four."];

/** A summarized and archived session of this user. */
async function remember(user: string, texts: readonly string[], target: Target = service): Promise<string> {
  const id = newId();
  const headers = asUser(user);
  const messages = [...texts, ...RECENT].map((content, index) => ({ id: `m${index + 1}`, role: "user", content }));
  await call(target, "POST", `/v1/sessions/${id}/messages`, { body: { messages }, headers });
  const body = { keepRecentTokens: 0, waitMs: 10_000 };
  const { status } = await call(target, "POST", `/v1/sessions/${id}/summarize`, { body, headers });
  expect(status).toBe(202);
  await archived(id, user, target);
  return id;
}

function archived(id: string, user: string, target: Target = service): Promise<true> {
  return eventually("the archive confirms", async () => {
    const { body } = await call<{ archived: boolean; summaryPending: boolean }>(target, "GET", `/v1/sessions/${id}`, {
      headers: asUser(user),
    });
    return body.archived && !body.summaryPending ? true : undefined;
  });
}

const SAID = ["My boat is called Albatross and lies in Lisbon.", "My sister Ines moved to Porto in March."];

describe("POST /v1/search", () => {
  it("finds what the user's sessions remember, and nothing of another user or of the tenant itself", async () => {
    const user = newId();
    const id = await remember(user, SAID);
    const { status, body } = await search({ query: "What is the name of the boat?" }, user);
    expect(status).toBe(200);
    expect(body.data[0]).toMatchObject({ sessionId: id, item: { sourceSeqs: [1] } });
    expect(body.data[0]?.snippet).toContain("Albatross");
    expect((await search({ query: "Albatross" }, newId())).body).toEqual({ data: [] });
    expect((await search({ query: "Albatross", sessions: [id] })).body).toEqual({ data: [] });
    expect((await search({ query: "Albatross", kinds: ["question"] }, user)).body).toEqual({ data: [] });
    expect((await search({ query: "Albatross", status: "done" }, user)).body).toEqual({ data: [] });
    expect((await search({ query: "Albatross", sessions: [newId()] }, user)).body).toEqual({ data: [] });
    expect(
      (await search({ query: "Albatross", sessions: [id], status: "any", limit: 1 }, user)).body.data,
    ).toHaveLength(1);
  });

  it("never returns an item of an erased message, even if a restored backup brings it back into the archive", async () => {
    const user = newId();
    const id = await remember(user, SAID);
    const client = new Client({ connectionString: service.databaseUrl });
    await client.connect();
    try {
      const columns = "epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner, made_at";
      await client.query(`create temporary table backup as select ${columns} from summary_items where owner = $1`, [
        user,
      ]);
      await call(service, "DELETE", `/v1/sessions/${id}/messages/m1`, { headers: asUser(user) });
      expect((await search({ query: "Albatross" }, user)).body).toEqual({ data: [] });
      await archived(id, user);
      const restored = await client.query(
        `insert into summary_items (${columns}) select ${columns} from backup on conflict do nothing`,
      );
      expect(restored.rowCount).toBeGreaterThan(0);
      expect((await search({ query: "Albatross", status: "any" }, user)).body).toEqual({ data: [] });
      await call(service, "DELETE", `/v1/sessions/${id}`, { headers: asUser(user) });
      expect((await search({ query: "Porto" }, user)).body).toEqual({ data: [] });
    } finally {
      await client.end();
    }
  });

  it("answers 503 with Retry-After while PostgreSQL is unavailable, and nothing else fails", async () => {
    const own = await startOwnService();
    const user = newId();
    const id = await remember(user, SAID, own);
    await own.stopPostgres();
    const away = await search({ query: "Albatross" }, user, own);
    expect(away.status).toBe(503);
    expect(away.headers.get("retry-after")).toBe("5");
    expect(problemSchema.parse(away.body)).toMatchObject({
      code: "unavailable",
      detail: expect.stringMatching(/again/),
    });
    const inSession = await call<{ data: unknown[] }>(own, "POST", `/v1/sessions/${id}/search`, {
      body: { query: "Albatross" },
      headers: asUser(user),
    });
    expect(inSession.status).toBe(200);
    await own.startPostgres();
    const back = await eventually("the search answers again", async () => {
      const found = await search({ query: "Albatross" }, user, own);
      return found.status === 200 ? found : undefined;
    });
    expect(back.body.data[0]?.sessionId).toBe(id);
  }, 240_000);

  it.each([
    ["no body", undefined, ""],
    ["no query", {}, "/query"],
    ["an empty query", { query: "" }, "/query"],
    ["a query of signs alone", { query: " \t?! & | :* '" }, "/query"],
    ["a query that is no text", { query: 7 }, "/query"],
    ["a NUL in the query", { query: "a\u0000b" }, "/query"],
    ["a query of 10,001 characters", { query: "a".repeat(10_001) }, "/query"],
    ["a limit of 0", { query: "a", limit: 0 }, "/limit"],
    ["a limit of 101", { query: "a", limit: 101 }, "/limit"],
    ["an unknown kind", { query: "a", kinds: ["secret"] }, "/kinds/0"],
    ["no kind at all", { query: "a", kinds: [] }, "/kinds"],
    ["an unknown status", { query: "a", status: "open" }, "/status"],
    ["a session id that is none", { query: "a", sessions: ["a b"] }, "/sessions/0"],
    ["an owner in the body", { query: "a", owner: "somebody" }, "/owner"],
    ["a tenant in the body", { query: "a", tenant: "other" }, "/tenant"],
  ])("refuses %s, and says where the fault is", async (_, body, path) => {
    const { status, body: problem } = await search(body, newId());
    expect(status).toBe(422);
    expect(problemSchema.parse(problem)).toMatchObject({ code: "validation_failed", errors: [{ path }] });
  });

  it.each([
    "'; drop table summary_items; --",
    "a & | ! ( ) <-> :* \\ '",
    "ünïcödé 日本語 🎉",
    "a".repeat(10_000),
    Array.from({ length: 1_500 }, (_, index) => `w${index}`).join(" "),
    "%25 \\u0000 ${x}",
  ])("takes a hostile query as words (case %#)", async (query) => {
    const { status, body } = await search({ query }, newId());
    expect(status).toBe(200);
    expect(body).toEqual({ data: [] });
  });

  it("refuses a caller without a key", async () => {
    const { status } = await call(service, "POST", "/v1/search", { body: { query: "a" }, key: null });
    expect(status).toBe(401);
  });
});
