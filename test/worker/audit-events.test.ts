import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/api/audit.ts";
import { onArchive, until } from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { type HttpAnswer, type Sender, send as sendToWorker } from "../support/worker-http.ts";

const { THREADKEEP_API_KEY: API_KEY, THREADKEEP_ADMIN_KEY: ADMIN_KEY } = TEST_WORKER_BINDINGS;
const ADDRESS = "198.51.100.77";

interface Sent extends Pick<Sender, "key" | "user"> {
  readonly body?: unknown;
  readonly requestId?: string;
}

function send(method: string, path: string, { body, requestId, ...sender }: Sent = {}): Promise<HttpAnswer> {
  const headers = { "CF-Connecting-IP": ADDRESS, ...(requestId === undefined ? {} : { "X-Request-Id": requestId }) };
  return sendToWorker(method, path, body, { ...sender, headers });
}

async function audit(filter: Record<string, string>, key = ADMIN_KEY): Promise<AuditEvent[]> {
  const answer = await send("GET", `/v1/admin/audit?${new URLSearchParams({ limit: "100", ...filter })}`, { key });
  expect(answer.status, answer.text).toBe(200);
  return answer.body["data"] as AuditEvent[];
}

/** Waits for the queue. Returns the events that a filter finds, once there are enough. */
async function eventsOf(filter: Record<string, string>, count: number): Promise<AuditEvent[]> {
  let events: AuditEvent[] = [];
  await until(`${count} events`, async () => {
    events = await audit(filter);
    return events.length >= count;
  });
  return events;
}

/** In alphabetical order, because events of one millisecond have no order. */
function actionsOf(events: readonly AuditEvent[]): string[] {
  return events.map(({ action }) => action).toSorted();
}

describe("the audit of a user's session", () => {
  const user = `u-${crypto.randomUUID()}`;
  const session = crypto.randomUUID();
  const secret = "the combination of the safe is 4711";

  const copy = `${session}-copy`;
  const requestId = crypto.randomUUID();

  let answered: number[] = [];

  beforeAll(async () => {
    const as = { user };
    const at = `/v1/sessions/${session}`;
    await send("POST", "/v1/sessions", { ...as, requestId, body: { id: session, metadata: { note: secret } } });
    const messages = [1, 2, 3].map((number) => ({
      id: `m${number}`,
      role: "user",
      content: `${secret}, says ${number}`,
    }));
    await send("POST", `${at}/messages`, { ...as, body: { messages } });
    await send("PATCH", at, { ...as, body: { metadata: { note: `${secret}!` } } });
    await send("PATCH", `${at}/messages/m2`, { ...as, body: { content: `${secret}?` } });
    await send("DELETE", `${at}/messages/m3`, as);
    await send("POST", `${at}/summarize`, { ...as, body: {} });
    const ticket = await send("POST", `${at}/tickets`, { ...as, body: {} });
    const fork = await send("POST", `${at}/fork`, { ...as, body: { id: `${session}-fork` } });
    const file = await send("GET", `${at}/export`, as);
    const imported = await send("POST", `/v1/import?sessionId=${copy}`, { ...as, body: file.text });
    const erased = await send("DELETE", at, as);
    answered = [ticket, fork, imported, erased].map(({ status }) => status);
    // Reads make no events.
    await send("POST", `/v1/sessions/${copy}/context`, { ...as, body: { query: secret } });
    await send("GET", `/v1/sessions/${copy}/messages`, as);
  });

  it("contains each write once, with who did it, from where, and with what result", async () => {
    expect(answered).toEqual([201, 201, 201, 202]);
    const events = await eventsOf({ tenant: "test", user }, 10);
    expect(actionsOf(events).filter((action) => action !== "appendMessages")).toEqual([
      "createSession",
      "editMessage",
      "eraseMessage",
      "eraseSession",
      "exportSession",
      "forkSession",
      "importSession",
      "issueTicket",
      "summarizeSession",
      "updateSession",
    ]);
    const byAction = Object.fromEntries(events.map((event) => [event.action, event]));
    expect(byAction["createSession"]).toEqual({
      id: expect.any(String),
      at: expect.any(String),
      tenant: "test",
      actor: { kind: "tenant-key", id: "deployment-key" },
      user: expect.stringMatching(/^[0-9a-f]{32}$/),
      session,
      action: "createSession",
      result: "ok",
      requestId,
      from: "198.51.100.0/24",
      details: { created: true },
    });
    expect(byAction["editMessage"]).toMatchObject({ session, details: { seq: 2 } });
    expect(byAction["eraseMessage"]).toMatchObject({ session, details: { seq: 3 } });
    expect(byAction["forkSession"]).toMatchObject({
      session: `${session}-fork`,
      details: { created: true, source: session, throughSeq: 3 },
    });
    expect(byAction["importSession"]).toMatchObject({ session: copy, details: { messages: 3 } });
  });

  it("contains no content, metadata, message ids, keys, tickets, whole addresses or users", async () => {
    await eventsOf({ tenant: "test", user }, 10);
    const rows = await onArchive((database) => database.execute(sql`select * from audit_events`));
    const all = JSON.stringify(rows.rows);
    for (const planted of ["combination", '"m2"', API_KEY, ADMIN_KEY, ADDRESS, user])
      expect(all).not.toContain(planted);
  });
});

describe("the audit of operators", () => {
  it("contains what they read and change, under the tenant that it is about, and never a key", async () => {
    const tenant = `t-${crypto.randomUUID()}`;
    const at = `/v1/admin/tenants/${tenant}`;
    const admin = { key: ADMIN_KEY };
    await send("POST", "/v1/admin/tenants", { ...admin, body: { tenant } });
    await send("PATCH", at, { ...admin, body: { settings: { maxTokens: 9_000 } } });
    await send("GET", at, admin);
    const made = (await send("POST", `${at}/keys`, { ...admin, body: { name: "secret of ops", scopes: ["ops"] } }))
      .body;
    await send("GET", `${at}/keys`, admin);
    const rotated = (await send("POST", `${at}/keys/${String(made["id"])}/rotate`, { ...admin, body: {} })).body;
    await send("DELETE", `${at}/keys/${String(made["id"])}`, admin);
    await eventsOf({ tenant, actor: "admin", action: "revokeKey" }, 1);
    const events = await eventsOf({ tenant, actor: "admin" }, 7);
    expect(actionsOf(events).filter((action) => action !== "readAudit")).toEqual([
      "createKey",
      "createTenant",
      "listKeys",
      "readTenant",
      "revokeKey",
      "rotateKey",
      "updateTenant",
    ]);
    expect(events.find(({ action }) => action === "rotateKey")?.details).toEqual({
      keyId: rotated["id"],
      rotatedFrom: made["id"],
    });
    const text = JSON.stringify(events);
    expect(text).not.toContain(String(made["key"]).split("_").at(-1));
    expect(text).not.toContain("secret of ops");

    // The tenant's own keys with the scope may read its events, and nothing of others.
    const key = String(rotated["key"]);
    const own = await audit({}, key);
    expect(own.length).toBeGreaterThanOrEqual(7);
    for (const event of own) expect(event.tenant).toBe(tenant);
    expect((await audit({ tenant }, key)).length).toBeGreaterThanOrEqual(7);
    const others = await send("GET", "/v1/admin/audit?tenant=test", { key });
    expect([others.status, others.body["code"]]).toEqual([403, "forbidden"]);
    expect((await send("GET", "/v1/admin/audit")).body["code"]).toBe("forbidden");
  });
});

describe("a page of the audit", () => {
  it("follows the one before without a gap or a repetition, while new events arrive", async () => {
    const user = `u-${crypto.randomUUID()}`;
    const ids = Array.from({ length: 7 }, () => crypto.randomUUID());
    await Promise.all(ids.map((id) => send("POST", "/v1/sessions", { user, body: { id } })));
    const all = await eventsOf({ tenant: "test", user }, 7);
    const seen: AuditEvent[] = [];
    let cursor: string | null = null;
    do {
      const more: Record<string, string> = cursor === null ? {} : { cursor };
      const query = new URLSearchParams({ tenant: "test", user, limit: "3", ...more });
      const page = (await send("GET", `/v1/admin/audit?${query}`, { key: ADMIN_KEY })).body;
      seen.push(...(page["data"] as AuditEvent[]));
      cursor = page["nextCursor"] as string | null;
      await send("POST", "/v1/sessions", { user, body: {} });
    } while (cursor !== null);
    expect(seen).toEqual(all);
    expect(new Set(seen.map(({ session }) => session))).toEqual(new Set(ids));
  });

  it("is filtered by session, action, result and time", async () => {
    const user = `u-${crypto.randomUUID()}`;
    const [one, two] = [crypto.randomUUID(), crypto.randomUUID()];
    for (const id of [one, two]) await send("POST", "/v1/sessions", { user, body: { id } });
    await send("PATCH", `/v1/sessions/${one}`, { user, body: { metadata: {} } });
    const [, second, first] = await eventsOf({ tenant: "test", user }, 3);
    expect(actionsOf(await audit({ session: one }))).toEqual(["createSession", "updateSession"]);
    expect((await audit({ session: one, action: "createSession", result: "ok" })).length).toBe(1);
    expect(await audit({ session: one, result: "forbidden" })).toEqual([]);
    const to = new Date(Date.parse(first?.at ?? "") + 1).toISOString();
    expect((await audit({ tenant: "test", user, to })).map(({ session }) => session)).toContain(one);
    const later = await audit({ tenant: "test", user, from: second?.at ?? "" });
    expect(later.map(({ action }) => action)).toContain("updateSession");
    expect(await audit({ tenant: "test", user, to: "2020-01-01T00:00:00Z" })).toEqual([]);
    // A user who does not exist, or who belongs to another tenant, has no events.
    expect(await audit({ tenant: "test", user: crypto.randomUUID() })).toEqual([]);
    expect(await audit({ tenant: "another", user })).toEqual([]);
  });

  it.each([
    ["user=ada", "tenant"],
    ["tenant=test&user=-", "user"],
    ["from=yesterday", "from"],
    ["from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"],
    ["action=rob", "action"],
    ["result=maybe", "result"],
    ["actor=a%00b", "actor"],
    ["session=..", "session"],
    ["tenant=NO%27--", "tenant"],
    ["limit=101", "limit"],
    ["cursor=WzEsMl0", "cursor"],
    ["colour=blue", "colour"],
  ])("is refused if the query has %s, and the refusal says where the fault is", async (query, path) => {
    const answer = await send("GET", `/v1/admin/audit?${query}`, { key: ADMIN_KEY });
    expect(answer.status, answer.text).toBe(422);
    expect(JSON.stringify(answer.body["errors"])).toContain(path);
  });
});
