import { runDurableObjectAlarm } from "cloudflare:test";
import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { appendResultSchema } from "../../src/api/append.ts";
import type { Fault, Outcome } from "../../src/api/errors.ts";
import type { SessionLimits } from "../../src/api/quota.ts";
import type { TenantSettings } from "../../src/api/tenant.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { contentTokens, messageCost } from "../../src/prompt/message-text.ts";
import { startOfDay } from "../../src/session/quota/day.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import { Tenant } from "../../src/tenant/tenant.ts";
import {
  billed,
  creationOf,
  evictDurableObject,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  totalOf,
  until,
  unwrap,
} from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";

const log = createLog({ write: () => undefined });
const isolate = () => createTenantClient(env.TENANT, { keepAlive: waitUntil, log });

/** A tenant with these limits, and the settings that its sessions are brought. */
async function tenantWith(limits: SessionLimits): Promise<{ tenant: string; settings: TenantSettings }> {
  const tenant = `t-${crypto.randomUUID()}`;
  const { rev } = await isolate().update(tenant, { limits });
  return { tenant, settings: { rev, settings: {}, summarization: "on", isOverBudget: false, limits } };
}

function refOf(tenant: string): SessionRef {
  return { tenant, owner: "-", session: crypto.randomUUID() };
}

async function append(ref: SessionRef, settings: TenantSettings, ...ids: string[]): Promise<Outcome<unknown>> {
  const messages = ids.map((id) => said(`This is ${id}.`, id));
  return sessionAt(ref).append({ messages }, creationOf(ref), settings);
}

/** The number of messages that were reported to the tenant's object. */
async function takenOf(tenant: string): Promise<number> {
  return (await isolate().readRecord(tenant)).takenToday.messages;
}

/** Waits until this many messages were reported to the tenant's object. */
async function untilTaken(tenant: string, messages: number): Promise<void> {
  await until(`${messages} messages are told`, async () => (await takenOf(tenant)) >= messages);
  expect(await takenOf(tenant)).toBe(messages);
}

/** A report of another isolate's sessions. */
async function toldElsewhere(tenant: string, taken: { messages: number; tokens: number }): Promise<void> {
  const report = { teller: "another isolate", day: startOfDay(Date.now()), ...taken };
  await env.TENANT.getByName(tenant).noteTaken(report);
}

async function headOf(ref: SessionRef): Promise<number> {
  const state = await sessionAt(ref).state();
  return state.ok ? state.value.headSeq : 0;
}

/** Appends over HTTP, with a key of the tenant. */
function postTo(tenant: string, owner = "-"): (session: string, request?: object) => Promise<Response> {
  const app = appWith({
    authenticate: async () => ({ kind: "tenant-key", id: "key", tenant, owner, scopes: ["memory:write"] }),
  });
  return async (session, request = { messages: [{ role: "user", content: "Hello." }] }) =>
    app.request(`http://threadkeep.test/v1/sessions/${session}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
}

/** Observes the calls that report usage until the test is over. Those of earlier tests may still come. */
function watchCalls() {
  const spy = vi.spyOn(Tenant.prototype, "noteTaken");
  onTestFinished(() => spy.mockRestore());
  return spy;
}

describe("the quota of all sessions of a tenant", () => {
  it("is used up by many sessions at once, and counted in one row a day for each isolate and one for all", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 51 });
    const refs = Array.from({ length: 15 }, () => refOf(tenant));
    const answers: Outcome<unknown>[] = [];
    for (const turn of [1, 2, 3]) {
      answers.push(...(await Promise.all(refs.map((ref) => append(ref, settings, `${turn}-a`, `${turn}-b`)))));
    }
    expect(2 * answers.filter(({ ok }) => ok).length).toBe(52);
    expect(answers.find(({ ok }) => !ok)).toMatchObject({ fault: { code: "quota_exceeded" } });
    await untilTaken(tenant, 52);
    const rows = await runInDurableObject(env.TENANT.getByName(tenant), (_, state) =>
      ["taken", "told"].map((table) => state.storage.sql.exec(`SELECT * FROM ${table}`).toArray().length),
    );
    expect(rows).toEqual([1, 1]);
  });

  it("refuses nobody before it is used up, across a hundred sessions of mixed sizes", async () => {
    const bound = 3_000;
    const { tenant, settings } = await tenantWith({ tenantTokensPerDay: bound });
    let used = 0;
    let fault: Fault | null = null;
    const words = (count: number): string => Array.from({ length: count }, () => "table for Friday").join(" ");
    for (let turn = 0; fault === null; turn += 1) {
      const ref = { tenant, owner: "-", session: `s-${turn % 100}` };
      const content = words(1 + ((turn * 7) % 12));
      const answer = await sessionAt(ref).append({ messages: [said(content, `m-${turn}`)] }, creationOf(ref), settings);
      if (answer.ok) used += messageCost({ tokens: contentTokens(content) });
      else ({ fault } = answer);
    }
    expect(fault).toMatchObject({ code: "quota_exceeded", quota: { name: "tenant-tokens", remaining: 0 } });
    expect(used).toBeGreaterThanOrEqual(bound);
    expect(used).toBeLessThan(bound + 100);
    await until("all of it is told", async () => (await isolate().readRecord(tenant)).takenToday.tokens === used);
  });

  it("is answered with 429 over HTTP, with when to try again and what is left, and stores nothing", async () => {
    const { tenant } = await tenantWith({ tenantMessagesPerDay: 2 });
    const post = postTo(tenant);
    expect((await post("one")).status).toBe(201);
    expect((await post("two")).status).toBe(201);
    const refused = await post("one");
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: "quota_exceeded", quota: "tenant-messages", remaining: 0 });
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(refused.headers.get("RateLimit-Policy")).toBe('"tenant-messages";q=2;w=86400');
    expect(refused.headers.get("RateLimit")).toMatch(/^"tenant-messages";r=0;t=\d+$/);
    expect(unwrap(await sessionAt({ tenant, owner: "-", session: "one" }).state()).headSeq).toBe(1);
  });

  it("refuses the first append of a session, and answers a repeated append", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 2 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a", "b"));
    expect(await append(refOf(tenant), settings, "a")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    expect(unwrap(await append(ref, settings, "a", "b"))).toMatchObject({ headSeq: 2 });
    await evictDurableObject(stubAt(ref));
    expect(unwrap(await append(ref, settings, "a", "b"))).toMatchObject({ headSeq: 2 });
    expect(await append(ref, settings, "a", "c")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
  });

  it("limits a frame on a socket as well, which brings no settings", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 2 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a", "b"));
    await evictDurableObject(stubAt(ref));
    expect(await sessionAt(ref).append({ messages: [said("c")] }, null)).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded" },
    });
  });

  it("continues to count when objects are evicted, and counts nothing twice", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 6 });
    const refs = [refOf(tenant), refOf(tenant), refOf(tenant)];
    for (const id of ["a", "b"]) {
      for (const ref of refs) {
        unwrap(await append(ref, settings, id));
        await evictDurableObject(stubAt(ref));
      }
    }
    expect(await append(refOf(tenant), settings, "c")).toMatchObject({ ok: false });
    expect(await takenOf(tenant)).toBeLessThanOrEqual(6);
  });

  it("includes what other isolates used after its own report, and at once if the caller brings it", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 10 });
    await toldElsewhere(tenant, { messages: 10, tokens: 0 });
    const told = await isolate().read(tenant);
    expect(told.takenToday).toMatchObject({ messages: 10 });
    expect(await append(refOf(tenant), told, "a")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a"));
    await untilTaken(tenant, 11);
    await until("it is refused", async () => !(await append(ref, settings, crypto.randomUUID())).ok);
    expect(await headOf(ref)).toBeLessThan(4);
  });

  it("is full again at midnight", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 1 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a"));
    expect((await append(ref, settings, "b")).ok).toBe(false);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(startOfDay(now) + 86_400_000);
    try {
      unwrap(await append(ref, settings, "b"));
      expect((await append(ref, settings, "c")).ok).toBe(false);
    } finally {
      clock.mockRestore();
    }
  });

  it("counts what edits add, and refuses only those that add something", async () => {
    const { tenant, settings } = await tenantWith({ tenantTokensPerDay: 100 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a"));
    const text = "word ".repeat(120).trim();
    unwrap(await sessionAt(ref).editMessage("a", { content: text }));
    expect(await sessionAt(ref).editMessage("a", { content: `${text} more` })).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded", quota: { name: "tenant-tokens" } },
    });
    unwrap(await sessionAt(ref).editMessage("a", { content: "word" }));
    unwrap(await sessionAt(ref).editMessage("a", { metadata: { seen: true } }));
    expect((await append(ref, settings, "b")).ok).toBe(false);
    await until("it is told", async () => (await isolate().readRecord(tenant)).takenToday.tokens > 100);
  });

  it("costs no more rows than a session without limits", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 1_000, tenantTokensPerDay: 100_000 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, "a"));
    const rowsOf = async (id?: string): Promise<number> => {
      const bill = await billed(ref, async (session) => {
        for (let count = 0; count < 20; count += 1) {
          const each = id === undefined ? undefined : `${id}-${count}`;
          unwrap(await session.append({ messages: [said("One more.", each)] }, null, settings));
        }
      });
      return totalOf(bill) / 20;
    };
    expect(await rowsOf("b")).toBe(1);
    expect(await rowsOf()).toBe(1);
  });
});

describe("a refused append to a new session", () => {
  const two = [
    { role: "user", content: "One." },
    { role: "assistant", content: "Two." },
  ];

  /** The tables of the objects that it would have written to. */
  async function tablesOf(ref: SessionRef): Promise<string[]> {
    const tables = (_: unknown, { storage }: DurableObjectState): string[] =>
      storage.sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf*'")
        .toArray()
        .map(({ name }) => name);
    const directory = env.DIRECTORY.getByName(`${ref.tenant}/${ref.owner}`);
    return [...(await runInDurableObject(directory, tables)), ...(await runInDurableObject(stubAt(ref), tables))];
  }

  it.each([
    ["by the messages of its day", { sessionMessagesPerDay: 1 }, { messages: two }, 429],
    ["by the tokens of its day", { sessionTokensPerDay: 10 }, { messages: [...two, ...two] }, 429],
    ["by the message that it expects", {}, { messages: two, expectedHeadSeq: 3 }, 409],
    ["by an id of the server's", {}, { messages: [{ ...two[0], id: "seq-7" }] }, 422],
  ])(
    "%s leaves nothing: neither in its object nor in the directory",
    async (_, limits: SessionLimits, request, status) => {
      const { tenant } = await tenantWith({ requestTier: "high", ...limits });
      const ref = { ...refOf(tenant), owner: "ada" };
      const post = postTo(tenant, ref.owner);
      expect((await post(ref.session, request)).status).toBe(status);
      expect(await tablesOf(ref)).toEqual([]);
      expect((await post(ref.session, { messages: [two[0]] })).status).toBe(201);
      expect(await tablesOf(ref)).toContain("sessions");
    },
  );

  it("because of the quota of all sessions leaves nothing either", async () => {
    const { tenant } = await tenantWith({ tenantMessagesPerDay: 5 });
    await toldElsewhere(tenant, { messages: 5, tokens: 0 });
    const ref = { ...refOf(tenant), owner: "ada" };
    expect((await postTo(tenant, ref.owner)(ref.session, { messages: two })).status).toBe(429);
    expect(await tablesOf(ref)).toEqual([]);
  });

  it("is counted once if it is accepted", async () => {
    const { tenant } = await tenantWith({ tenantMessagesPerDay: 20 });
    expect((await postTo(tenant)("one", { messages: two })).status).toBe(201);
    await untilTaken(tenant, 2);
  });
});

describe("copied messages", () => {
  const four = ["a", "b", "c", "d"];

  /** The surface as a back end of the tenant calls it. */
  function appOf(tenant: string) {
    const app = appWith({
      authenticate: async () => ({
        kind: "tenant-key",
        id: "key",
        tenant,
        owner: "-",
        scopes: ["memory:read", "memory:write"],
      }),
    });
    const send = (path: string, type: string, body: string) =>
      app.request(`http://threadkeep.test/v1${path}`, { method: "POST", headers: { "Content-Type": type }, body });
    return {
      fork: (session: string, id: string) =>
        send(`/sessions/${session}/fork`, "application/json", JSON.stringify({ id })),
      import: (id: string, file: string) => send(`/import?sessionId=${id}`, "application/jsonl", file),
    };
  }

  function fileOf(count: number, counted = count): string {
    const at = "2026-11-01T10:00:00.000Z";
    const session = { type: "session", format: "threadkeep-session", formatVersion: 1, id: "s", createdAt: at };
    const messages = Array.from({ length: count }, (_, index) => ({
      type: "message",
      seq: index + 1,
      id: `m-${index}`,
      role: "user",
      content: "Hello.",
      createdAt: at,
    }));
    const end = { type: "end", messages: counted, summaries: 0, items: 0, complete: true };
    return [{ ...session, metadata: {}, settings: {} }, ...messages, end]
      .map((line) => JSON.stringify(line))
      .join("\n");
  }

  async function isKnown(ref: SessionRef): Promise<boolean> {
    return (await sessionAt(ref).state()).ok || (await createDirectoryClient(env.DIRECTORY).standing(ref)).isListed;
  }

  it("of a fork are counted once, however often it is requested, and one too many leaves nothing", async () => {
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 8 });
    const ref = refOf(tenant);
    unwrap(await append(ref, settings, ...four));
    const app = appOf(tenant);
    for (const status of [201, 200, 200]) expect((await app.fork(ref.session, "fork")).status).toBe(status);
    await untilTaken(tenant, 8);
    expect((await app.fork(ref.session, "fork")).status).toBe(200);
    const refused = await app.fork(ref.session, "another");
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: "quota_exceeded", quota: "tenant-messages" });
    expect(await isKnown({ ...ref, session: "another" })).toBe(false);
    const copies = await runInDurableObject(stubAt(ref), (_, state) =>
      state.storage.sql.exec("SELECT session FROM copies").toArray(),
    );
    expect(copies).toEqual([{ session: "fork" }]);
    expect((await append(ref, settings, "e")).ok).toBe(false);
  });

  it("of an import are counted when it is complete, and a refused file uses up nothing", async () => {
    const { tenant } = await tenantWith({ tenantMessagesPerDay: 10 });
    const app = appOf(tenant);
    expect((await app.import("wrong", fileOf(4, 5))).status).toBe(422);
    expect((await app.import("one", fileOf(6))).status).toBe(201);
    await untilTaken(tenant, 6);
    expect((await app.import("two", fileOf(4))).status).toBe(201);
    await untilTaken(tenant, 10);
    expect((await app.import("three", fileOf(1))).status).toBe(429);
    expect(await isKnown({ tenant, owner: "-", session: "three" })).toBe(false);
  });

  it("of a file that is larger than a whole day are refused before its end is read", async () => {
    const { tenant } = await tenantWith({ tenantTokensPerDay: 20 });
    const refused = await appOf(tenant).import("large", `${fileOf(600)}\nnot read any more`);
    expect(refused.status).toBe(429);
    expect(await isKnown({ tenant, owner: "-", session: "large" })).toBe(false);
  });

  it("are accepted while the tenant's object is unavailable, up to the tenant's whole quota", async () => {
    const calls = watchCalls();
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 14 });
    const ref = refOf(tenant);
    calls.mockImplementation(async () => {
      throw new Error("Network connection lost.");
    });
    unwrap(await append(ref, settings, ...four));
    expect((await appOf(tenant).import("two", fileOf(15))).status).toBe(429);
    expect((await appOf(tenant).import("one", fileOf(10))).status).toBe(201);
    expect((await appOf(tenant).fork(ref.session, "fork")).status).toBe(429);
  });

  it("do not count in a session's own day, because nobody said them", async () => {
    const { tenant } = await tenantWith({ sessionMessagesPerDay: 3 });
    expect((await appOf(tenant).import("one", fileOf(6))).status).toBe(201);
    expect((await postTo(tenant)("one")).status).toBe(201);
  });
});

describe("a shard that adds up what isolates report", () => {
  const day = startOfDay(Date.now());
  const reportOf = (teller: string, messages: number) => ({ teller, day, messages, tokens: 0 });
  const shardOf = (tenant: string, shard: number) => {
    const name = `${tenant}/${shard}`;
    const stub = env.TAKEN_SHARD.getByName(name);
    return {
      stub,
      tell: async (teller: string, messages: number) => stub.noteTaken(reportOf(teller, messages), tenant, name),
    };
  };

  it("answers with what all isolates of all shards used, and counts a repeated report once", async () => {
    const tenant = `t-${crypto.randomUUID()}`;
    const [one, other] = [shardOf(tenant, 1), shardOf(tenant, 2)];
    expect(await one.tell("a", 3)).toMatchObject({ total: { messages: 3 }, told: { messages: 3 } });
    expect(await other.tell("b", 4)).toMatchObject({ total: { messages: 7 }, told: { messages: 4 } });
    await other.tell("b", 4);
    expect(await other.tell("c", 1)).toMatchObject({ total: { messages: 8 }, told: { messages: 1 } });
    await evictDurableObject(other.stub);
    await other.tell("b", 2);
    await untilTaken(tenant, 8);
  });

  it("tells the tenant's object with its alarm what came too soon after another report, or while that was away", async () => {
    const tenant = `t-${crypto.randomUUID()}`;
    const { stub, tell } = shardOf(tenant, 3);
    const calls = watchCalls();
    calls.mockRejectedValue(new Error("Network connection lost."));
    expect(await tell("a", 3)).toMatchObject({ total: { messages: 3 } });
    await tell("a", 5);
    expect(await takenOf(tenant)).toBe(0);
    calls.mockRestore();
    await runDurableObjectAlarm(stub);
    await untilTaken(tenant, 5);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
  });
});

describe("calls of the tenant's object", () => {
  it("are not made without a limit for all sessions, and are few with one", async () => {
    const calls = watchCalls();
    const unbounded = await tenantWith({ sessionMessagesPerDay: 1_000 });
    const ref = refOf(unbounded.tenant);
    const callsOf = (tenant: string): number =>
      calls.mock.contexts.filter((object) => {
        if (!(object instanceof Tenant)) return false;
        const { id }: DurableObjectState = Reflect.get(object, "ctx");
        return id.name === tenant;
      }).length;
    for (let count = 0; count < 20; count += 1) unwrap(await append(ref, unbounded.settings, `m-${count}`));
    expect(callsOf(unbounded.tenant)).toBe(0);
    const bounded = await tenantWith({ tenantMessagesPerDay: 100_000 });
    const beganAt = Date.now();
    const refs = Array.from({ length: 10 }, () => refOf(bounded.tenant));
    for (let count = 0; count < 200; count += 1) {
      unwrap(await append(refs[count % refs.length] ?? ref, bounded.settings, `m-${count}`));
    }
    expect(callsOf(bounded.tenant)).toBeGreaterThan(0);
    expect(callsOf(bounded.tenant)).toBeLessThanOrEqual(2 + (Date.now() - beganAt) / 5_000);
    await untilTaken(bounded.tenant, 200);
  });

  it("that fail stop no append, up to the tenant's whole quota", async () => {
    const calls = watchCalls();
    calls.mockRejectedValue(new Error("Network connection lost."));
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 10 });
    const ref = refOf(tenant);
    for (let count = 0; count < 10; count += 1) unwrap(await append(ref, settings, `m-${count}`));
    expect(await append(ref, settings, "one too many")).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded", facts: { quota: "tenant-messages", limit: 10 } },
    });
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(10);
  });

  it("that never end keep no append waiting", async () => {
    const calls = watchCalls();
    calls.mockImplementation(() => new Promise(() => undefined));
    const { tenant, settings } = await tenantWith({ tenantMessagesPerDay: 10 });
    const ref = refOf(tenant);
    for (let count = 0; count < 5; count += 1) unwrap(await append(ref, settings, `m-${count}`));
    expect(calls).toHaveBeenCalled();
  });
});

describe("an accepted append", () => {
  it("says what is left of the session's day, in the answer and in the headers that clients use", async () => {
    const { tenant } = await tenantWith({ sessionMessagesPerDay: 10, sessionTokensPerDay: 1_000 });
    const post = postTo(tenant);
    await post("one");
    const answer = await post("one");
    expect(answer.status).toBe(201);
    expect(answer.headers.get("RateLimit-Policy")).toBe('"messages";q=10;w=86400, "tokens";q=1000;w=86400');
    expect(answer.headers.get("RateLimit")).toMatch(/^"messages";r=8;t=\d+, "tokens";r=9\d\d;t=\d+$/);
    const { quotas } = appendResultSchema.parse(await answer.json());
    expect(quotas).toMatchObject([
      { name: "messages", limit: 10, remaining: 8 },
      { name: "tokens", limit: 1_000 },
    ]);
  });

  it("mentions no limit if there is none, and none that is not exact", async () => {
    for (const limits of [{ requestTier: "high" as const }, { tenantMessagesPerDay: 10 }]) {
      const { tenant } = await tenantWith(limits);
      const answer = await postTo(tenant)("one");
      expect(answer.status).toBe(201);
      expect(answer.headers.get("RateLimit")).toBeNull();
      expect(await answer.json()).not.toHaveProperty("quotas");
    }
  });
});

it("a tenant's tier of requests is set among its limits, kept, and removed", async () => {
  const { tenant } = await tenantWith({ requestTier: "high", sessionMessagesPerDay: 5 });
  expect(await isolate().isHighTier(tenant)).toBe(true);
  expect((await isolate().readRecord(tenant)).limits).toEqual({ requestTier: "high", sessionMessagesPerDay: 5 });
  await isolate().update(tenant, { limits: {} });
  expect(await isolate().isHighTier(tenant)).toBe(false);
});
