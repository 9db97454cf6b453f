import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { formatKey } from "../../src/access/key-format.ts";
import { newKeySchema } from "../../src/api/api-key.ts";
import { unwrap } from "../../src/api/errors.ts";
import { resolveSettings, type SessionSettings } from "../../src/api/session.ts";
import { type TenantState, tenantStateSchema, UNSET_TENANT } from "../../src/api/tenant.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient, type TenantClient } from "../../src/tenant/client.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { type JsonAnswer, send, sendAsAdmin } from "../support/worker-http.ts";

/** A tenant that no other test uses. */
const freshTenant = (): string => `t-${crypto.randomUUID()}`;
const log = createLog({ write: () => undefined });

/** A client in another isolate, with its own cache. */
function isolate(): TenantClient {
  return createTenantClient(env.TENANT, { keepAlive: waitUntil, log });
}

function schemaOf(tenant: string): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(env.TENANT.getByName(tenant), (_, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
  );
}

function admin(method: string, tenant: string, body?: unknown, key?: string): Promise<JsonAnswer> {
  return sendAsAdmin(method, `/v1/admin/tenants/${tenant}`, body, key);
}

async function stateOf(answer: Promise<JsonAnswer>): Promise<TenantState> {
  const { status, body } = await answer;
  expect(status).toBe(200);
  return tenantStateSchema.strict().parse(body);
}

describe("a tenant's object", () => {
  it("has nothing for a tenant that set nothing, and no read creates a schema or row", async () => {
    const tenant = freshTenant();
    expect(await isolate().read(tenant)).toEqual(UNSET_TENANT);
    expect(await isolate().readRecord(tenant)).toMatchObject({
      rev: 0,
      settings: {},
      summarization: "on",
      updatedAt: null,
    });
    expect(await stateOf(admin("GET", tenant))).toMatchObject({ rev: 0, settings: {}, updatedAt: null });
    for (const nothing of [{}, { settings: {} }, { settings: {}, summarization: "on" }]) {
      expect(await stateOf(admin("PATCH", tenant, nothing))).toMatchObject({ rev: 0, updatedAt: null });
    }
    expect((await admin("PATCH", tenant, { settings: { maxTokens: 1 } })).status).toBe(422);
    expect(await schemaOf(tenant)).toEqual([]);
  });

  it("reports what models used on each of the last days, a month at most", async () => {
    const tenant = freshTenant();
    const client = isolate();
    const embeddings = { inputTokens: 0, costMicroDollars: 0 };
    const nothing = { inputTokens: 0, outputTokens: 0, costMicroDollars: 0, embeddings };
    const spending = (days = "") => admin("GET", `${tenant}/spending${days}`);
    expect((await spending("?days=2")).body).toMatchObject({ days: [nothing, nothing] });
    expect(await schemaOf(tenant)).toEqual([]);
    await client.spend(tenant, { inputTokens: 700, outputTokens: 200, costMicroDollars: 90 });
    const dayOf = (ago: number): string => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
    await runInDurableObject(env.TENANT.getByName(tenant), (_, { storage }) =>
      storage.sql.exec("UPDATE spent SET day = ?", dayOf(2)),
    );
    await client.spend(tenant, { inputTokens: 5, outputTokens: 1 });
    expect((await spending("?days=3")).body).toEqual({
      tenant,
      days: [
        { day: dayOf(2), inputTokens: 700, outputTokens: 200, costMicroDollars: 90, embeddings },
        { day: dayOf(1), ...nothing },
        { day: dayOf(0), inputTokens: 5, outputTokens: 1, costMicroDollars: 0, embeddings },
      ],
    });
    expect((await spending()).body["days"]).toHaveLength(31);
    for (const days of ["?days=0", "?days=32", "?days=x"]) expect((await spending(days)).status).toBe(422);
    expect((await admin("GET", `${tenant}/spending`, undefined, TEST_WORKER_BINDINGS.THREADKEEP_API_KEY)).status).toBe(
      403,
    );
  });

  it("counts what models used by the day, and tells isolates when the day's budget is used up", async () => {
    const tenant = freshTenant();
    const client = isolate();
    await client.update(tenant, { summarizerTokensPerDay: 1_000 });
    await client.spend(tenant, { inputTokens: 700, outputTokens: 200, costMicroDollars: 90 });
    expect(await client.read(tenant)).toMatchObject({ isOverBudget: false });
    await client.spend(tenant, { inputTokens: 90, outputTokens: 10 });
    expect(await client.read(tenant)).toMatchObject({ isOverBudget: true });
    expect(await isolate().read(tenant)).toMatchObject({ isOverBudget: true });
    const { spentToday, rev } = await stateOf(admin("GET", tenant));
    expect(spentToday).toMatchObject({ inputTokens: 790, outputTokens: 210, costMicroDollars: 90 });
    expect(rev).toBe(1);
    await client.update(tenant, { summarizerTokensPerDay: 2_000 });
    await client.spendOnEmbeddings(tenant, { inputTokens: 900, costMicroDollars: 11 });
    expect(await client.read(tenant)).toMatchObject({ isOverBudget: false });
    // Vectors have a row of their own, and the same budget.
    await client.spendOnEmbeddings(tenant, { inputTokens: 100 });
    expect(await client.read(tenant)).toMatchObject({ isOverBudget: true });
    expect((await stateOf(admin("GET", tenant))).spentToday).toEqual({
      ...spentToday,
      embeddings: { inputTokens: 1_000, costMicroDollars: 11 },
    });
    await client.update(tenant, { summarizerTokensPerDay: null });
    expect(await client.read(tenant)).toMatchObject({ isOverBudget: false });
  });

  it("raises rev by one with each change, and not with a repetition", async () => {
    const tenant = freshTenant();
    const { update } = isolate();
    const first = await update(tenant, { settings: { maxTokens: 2_000, keepRecentTokens: 500 } });
    expect(first).toMatchObject({ rev: 1, summarization: "on" });
    expect(await update(tenant, { settings: { keepRecentTokens: 500, maxTokens: 2_000 } })).toEqual(first);
    expect(await update(tenant, {})).toEqual(first);
    expect(await update(tenant, { summarization: "paused" })).toMatchObject({ rev: 2, settings: first.settings });
    expect(await update(tenant, { settings: { maxTokens: 2_000 } })).toMatchObject({
      rev: 3,
      settings: { maxTokens: 2_000 },
      summarization: "paused",
    });
  });

  it("loses none of several concurrent changes", async () => {
    const tenant = freshTenant();
    const values = Array.from({ length: 20 }, (_, index) => 1_000 + index);
    const records = await Promise.all([
      ...values.map((maxTokens) => isolate().update(tenant, { settings: { maxTokens } })),
      isolate().update(tenant, { summarization: "paused" }),
    ]);
    expect(records.map((record) => record.rev).toSorted((a, b) => a - b)).toEqual(records.map((_, index) => index + 1));
    const last = records.find((record) => record.rev === records.length);
    expect(await isolate().readRecord(tenant)).toEqual(last);
    expect(last?.summarization).toBe("paused");
  });

  it.each([
    ["an eviction", (tenant: string) => evictDurableObject(env.TENANT.getByName(tenant))],
    ["an abort of every object", () => abortAllDurableObjects()],
  ])("keeps what was answered over %s", async (_, fault) => {
    const tenant = freshTenant();
    const record = await isolate().update(tenant, { settings: { profile: "agent" }, summarization: "paused" });
    await fault(tenant);
    expect(await isolate().readRecord(tenant)).toEqual(record);
    expect(await isolate().update(tenant, { settings: {} })).toMatchObject({ rev: 2, summarization: "paused" });
  });

  it("is rolled back completely if its row cannot be written: the next change finds no half of it", async () => {
    const tenant = freshTenant();
    const stub = env.TENANT.getByName(tenant);
    await runInDurableObject(stub, async (object, state) => {
      const { sql } = state.storage;
      const exec = sql.exec.bind(sql);
      sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
        if (query.includes("INSERT")) throw new Error("disk full");
        return exec<T>(query, ...bindings);
      };
      await expect(object.update({ summarization: "paused" })).rejects.toThrow("disk full");
      sql.exec = exec;
    });
    expect(await schemaOf(tenant)).toEqual([]);
    expect(await isolate().readRecord(tenant)).toMatchObject({ rev: 0, summarization: "on" });
    expect(await isolate().update(tenant, { summarization: "paused" })).toMatchObject({ rev: 1 });
  });
});

describe("the client of an isolate", () => {
  it("uses its own change at once, and another's only when it asks again", async () => {
    const tenant = freshTenant();
    const [here, there] = [isolate(), isolate()];
    expect(await there.read(tenant)).toEqual(UNSET_TENANT);
    await here.update(tenant, { summarization: "paused" });
    expect(await here.read(tenant)).toEqual({ rev: 1, settings: {}, summarization: "paused", isOverBudget: false });
    expect(await there.read(tenant)).toEqual(UNSET_TENANT);
    expect(await isolate().read(tenant)).toEqual({
      rev: 1,
      settings: {},
      summarization: "paused",
      isOverBudget: false,
    });
  });

  it("gives one call's answer to several requests, although a request may not touch another's streams", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, null);
    const { state, secret } = unwrap(await isolate().keys.create(tenant, newKeySchema.parse({ name: "back end" })));
    const key = formatKey({ tenant, id: state.id, secret });
    // The Worker has not read this tenant yet, so these requests ask for it at the same time.
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("GET", "/v1/sessions", undefined, { key })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });
});

describe("tenants over HTTP", () => {
  it("are returned with every default of their profile", async () => {
    const tenant = freshTenant();
    expect((await stateOf(admin("GET", tenant))).effective).toEqual(resolveSettings({}));
    const settings: SessionSettings = { profile: "agent", summarizeAfterTokens: 9_000 };
    const state = await stateOf(admin("PATCH", tenant, { settings }));
    expect(state).toMatchObject({
      tenant,
      rev: 1,
      settings,
      effective: resolveSettings(settings),
      summarization: "on",
    });
    expect(state.effective).toMatchObject({ maxTokens: 100_000, keepRecentTokens: 4_500 });
    expect(Math.abs(Date.now() - Date.parse(state.updatedAt ?? ""))).toBeLessThan(60_000);
    expect(await stateOf(admin("GET", tenant))).toEqual(state);
  });

  it("are kept apart", async () => {
    const [one, other] = [freshTenant(), freshTenant()];
    await admin("PATCH", one, { summarization: "paused" });
    expect(await stateOf(admin("GET", other))).toMatchObject({ rev: 0, summarization: "on" });
  });

  it("replace settings and leave summarization, and vice versa", async () => {
    const tenant = freshTenant();
    await admin("PATCH", tenant, { settings: { maxTokens: 3_000, summaryMaxTokens: 300 } });
    await admin("PATCH", tenant, { summarization: "paused" });
    expect(await stateOf(admin("PATCH", tenant, { settings: { maxTokens: 4_000 } }))).toMatchObject({
      rev: 3,
      settings: { maxTokens: 4_000 },
      summarization: "paused",
    });
    expect((await stateOf(admin("GET", tenant))).settings).toEqual({ maxTokens: 4_000 });
  });

  it.each(["GET", "PATCH"])("refuse %s to a tenant's own key, and reveal nothing to it", async (method) => {
    const tenant = freshTenant();
    await admin("PATCH", tenant, { settings: { maxTokens: 4_321 } });
    const body = method === "GET" ? undefined : { summarization: "paused" };
    const answer = await admin(method, tenant, body, TEST_WORKER_BINDINGS.THREADKEEP_API_KEY);
    expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(JSON.stringify(answer.body)).not.toContain("maxTokens");
    expect(await stateOf(admin("GET", tenant))).toMatchObject({ rev: 1, summarization: "on" });
  });
});
