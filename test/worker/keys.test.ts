import { abortAllDurableObjects } from "cloudflare:test";
import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { formatKey, parseKey } from "../../src/access/key-format.ts";
import { createdKeySchema, type CreatedKey, keyStateSchema, newKeySchema } from "../../src/api/api-key.ts";
import { MAX_LIVE_KEYS } from "../../src/api/limits.ts";
import { SUMMARIZER_ROUTE } from "../../src/summarizer/server.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient, type TenantClient } from "../../src/tenant/client.ts";
import { evictDurableObject, runInDurableObject, until, unwrap } from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { type JsonAnswer, sendAsAdmin } from "../support/worker-http.ts";

const log = createLog({ write: () => undefined });
const freshTenant = (): string => `t-${crypto.randomUUID()}`;
const named = (name: string, more: object = {}) => newKeySchema.parse({ name, ...more });

/** A client in another isolate, with its own cache. */
function isolate(): TenantClient {
  return createTenantClient(env.TENANT, { keepAlive: waitUntil, log });
}

function rowsOf(tenant: string, query: string): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(env.TENANT.getByName(tenant), (_, state) => state.storage.sql.exec(query).toArray());
}

async function tenantWithKey(more: object = {}): Promise<{ tenant: string; key: CreatedKey }> {
  const tenant = freshTenant();
  expect((await sendAsAdmin("POST", "/v1/admin/tenants", { tenant })).status).toBe(201);
  const { status, body } = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, { name: "back end", ...more });
  expect(status).toBe(201);
  return { tenant, key: createdKeySchema.strict().parse(body) };
}

const append = (key: string, session = "s"): Promise<JsonAnswer> =>
  sendAsAdmin("POST", `/v1/sessions/${session}/messages`, { messages: [{ role: "user", content: "hello" }] }, key);

describe("a tenant's keys in its object", () => {
  it("are stored as keyed hashes: no row contains a secret, and two tenants' hashes of one secret differ", async () => {
    const { tenant, key } = await tenantWithKey();
    const secret = parseKey(key.key)?.secret ?? "";
    expect(secret).toHaveLength(43);
    const rows = [
      ...(await rowsOf(tenant, "SELECT * FROM api_keys")),
      ...(await rowsOf(tenant, "SELECT * FROM key_ring")),
    ];
    const text = rows
      .flatMap((row) => Object.values(row))
      .map((value) => (value instanceof ArrayBuffer ? new TextDecoder("latin1").decode(value) : String(value)))
      .join("\n");
    expect(text).toContain(key.id);
    expect(text).not.toContain(secret);
    const hashKeyOf = async (of: string): Promise<unknown> =>
      (await rowsOf(of, "SELECT hex(hash_key) AS hash_key FROM key_ring"))[0]?.["hash_key"];
    expect(await hashKeyOf(tenant)).toMatch(/^[0-9A-F]{64}$/);
    expect(await hashKeyOf((await tenantWithKey()).tenant)).not.toBe(await hashKeyOf(tenant));
  });

  it("leave nothing in the object of a tenant that is only named", async () => {
    const tenant = freshTenant();
    const made = formatKey({ tenant, id: "0".repeat(12), secret: "0".repeat(43) });
    expect(await append(made)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect((await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}/keys`)).body).toMatchObject({ data: [] });
    for (const path of ["keys/000000000000/rotate", "keys/000000000000"]) {
      const method = path.endsWith("rotate") ? "POST" : "DELETE";
      const answer = await sendAsAdmin(
        method,
        `/v1/admin/tenants/${tenant}/${path}`,
        method === "POST" ? {} : undefined,
      );
      expect(answer).toMatchObject({ status: 404, body: { code: "key_not_found" } });
    }
    await env.TENANT.getByName(tenant).noteKeyUse("000000000000", Date.now());
    expect(await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, { name: "x" })).toMatchObject({
      status: 404,
      body: { code: "tenant_not_found" },
    });
    expect(await rowsOf(tenant, "SELECT name FROM sqlite_master")).toEqual([]);
  });

  it("come to an object of the version before, and leave what it held", async () => {
    const tenant = freshTenant();
    await isolate().update(tenant, { settings: { maxTokens: 3_000 } });
    expect(await rowsOf(tenant, "SELECT name FROM sqlite_master WHERE name IN ('identity', 'key_ring')")).toEqual([]);
    const made = await isolate().create(tenant, null);
    expect(made).toMatchObject({ created: true, record: { settings: { maxTokens: 3_000 }, rev: 1 } });
    const { state, secret } = unwrap(await isolate().keys.create(tenant, named("first")));
    expect(await isolate().keys.check({ tenant, id: state.id, secret })).toEqual({
      scopes: newKeySchema.parse({ name: "x" }).scopes,
      expiresAt: null,
    });
    expect(await isolate().read(tenant)).toMatchObject({ rev: 1, settings: { maxTokens: 3_000 } });
  });

  it.each([
    ["an eviction", (tenant: string) => evictDurableObject(env.TENANT.getByName(tenant))],
    ["an abort of every object", () => abortAllDurableObjects()],
  ])("are good, rotated and revoked as before after %s", async (_, fault) => {
    const { tenant, key } = await tenantWithKey();
    const parts = parseKey(key.key) ?? expect.unreachable();
    await fault(tenant);
    expect(await isolate().keys.check(parts)).not.toBeNull();
    const next = unwrap(await isolate().keys.rotate(tenant, key.id, 60));
    unwrap(await isolate().keys.revoke(tenant, key.id));
    await fault(tenant);
    expect(await isolate().keys.check(parts)).toBeNull();
    expect(await isolate().keys.check({ tenant, id: next.state.id, secret: next.secret })).not.toBeNull();
  });

  it("are all there if they were created at the same time, up to the maximum of a tenant", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, null);
    const made = await Promise.all(
      Array.from({ length: MAX_LIVE_KEYS + 5 }, (_, index) => isolate().keys.create(tenant, named(`key ${index}`))),
    );
    expect(made.filter(({ ok }) => ok)).toHaveLength(MAX_LIVE_KEYS);
    expect(made.find(({ ok }) => !ok)).toMatchObject({ fault: { code: "too_many_keys" } });
    const [first] = await isolate().keys.list(tenant, 1, null);
    unwrap(await isolate().keys.revoke(tenant, first?.id ?? ""));
    expect(await isolate().keys.create(tenant, named("in its place"))).toMatchObject({ ok: true });
  });

  it("are accepted in an isolate that cached the tenant before it had any", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, null);
    const there = isolate();
    expect(await there.read(tenant)).toMatchObject({ rev: 0 });
    const { state, secret } = unwrap(await isolate().keys.create(tenant, named("new")));
    await until("the isolate knows the key", async () => {
      return (await there.keys.check({ tenant, id: state.id, secret })) !== null;
    });
  });
});

describe("keys over HTTP", () => {
  it("admit an application, only within its tenant and its scopes", async () => {
    const [one, other] = [await tenantWithKey(), await tenantWithKey({ scopes: ["memory:read"] })];
    expect(await append(one.key.key)).toMatchObject({ status: 201 });
    expect(await sendAsAdmin("GET", "/v1/sessions/s", undefined, one.key.key)).toMatchObject({ status: 200 });
    expect(await sendAsAdmin("GET", "/v1/sessions/s", undefined, other.key.key)).toMatchObject({ status: 404 });
    expect(await append(other.key.key)).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await sendAsAdmin("DELETE", "/v1/sessions/s", undefined, other.key.key)).toMatchObject({ status: 403 });
  });

  it("with ops open no route of the deployment, not even for their own tenant", async () => {
    const { tenant, key } = await tenantWithKey({ scopes: ["memory:read", "ops"] });
    for (const path of ["jobs", "tenants", `tenants/${tenant}`, `tenants/${tenant}/keys`]) {
      expect(await sendAsAdmin("GET", `/v1/admin/${path}`, undefined, key.key), path).toMatchObject({ status: 403 });
    }
    // The summarizer uses a model that no tenant's budget counts, so it has a scope of its own.
    expect(await sendAsAdmin("POST", SUMMARIZER_ROUTE, {}, key.key)).toMatchObject({ status: 403 });
  });

  it("are shown once: no list and no other answer contains one, or its hash", async () => {
    const { tenant, key } = await tenantWithKey({ expiresAt: "2099-01-01T00:00:00Z" });
    const { body } = await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}/keys`);
    const { key: secret, ...state } = key;
    expect(body).toEqual({ data: [state], hasMore: false, nextCursor: null });
    expect(JSON.stringify(body)).not.toContain(secret.slice(-49, -6));
  });

  it("are listed in pages, newest first, each once", async () => {
    const { tenant, key } = await tenantWithKey();
    const ids = [key.id];
    for (let count = 0; count < 4; count += 1) {
      ids.unshift(unwrap(await isolate().keys.create(tenant, named(`key ${count}`))).state.id);
    }
    const seen: unknown[] = [];
    let cursor = "";
    do {
      const { body } = await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}/keys?limit=2${cursor}`);
      seen.push(...(Array.isArray(body["data"]) ? body["data"] : []).map(({ id }) => id));
      cursor = body["nextCursor"] === null ? "" : `&cursor=${String(body["nextCursor"])}`;
    } while (cursor !== "");
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect(await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}/keys?cursor=x`)).toMatchObject({ status: 422 });
  });

  it("are rotated: two are valid at once, the old one until its grace ends, and it has no second successor", async () => {
    const { tenant, key } = await tenantWithKey({ scopes: ["memory:write"], expiresAt: "2099-01-01T00:00:00Z" });
    const path = `/v1/admin/tenants/${tenant}/keys/${key.id}/rotate`;
    const { status, body } = await sendAsAdmin("POST", path, { graceSeconds: 3_600 });
    expect(status).toBe(201);
    const next = createdKeySchema.strict().parse(body);
    expect(next).toMatchObject({ name: key.name, scopes: key.scopes, status: "live" });
    expect(Math.abs(Date.parse(next.expiresAt ?? "") - Date.parse(key.expiresAt ?? ""))).toBeLessThan(60_000);
    expect([await append(key.key), await append(next.key)]).toMatchObject([{ status: 201 }, { status: 201 }]);
    const [, old] = keyStateSchema
      .array()
      .parse((await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}/keys`)).body["data"]);
    expect(old).toMatchObject({ id: key.id, rotatedTo: next.id, status: "live" });
    expect(Math.abs(Date.parse(old?.expiresAt ?? "") - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect(await sendAsAdmin("POST", path, {})).toMatchObject({
      status: 409,
      body: { code: "key_rotated", rotatedTo: next.id },
    });
  });

  it("are rotated without grace: the old one is refused at once", async () => {
    const { tenant, key } = await tenantWithKey();
    expect(await append(key.key)).toMatchObject({ status: 201 });
    const { body } = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys/${key.id}/rotate`, {
      graceSeconds: 0,
    });
    expect(await append(key.key)).toMatchObject({ status: 401 });
    expect(await append(String(body["key"]))).toMatchObject({ status: 201 });
  });

  it("are refused when revoked: at once where they were revoked, and for ever in an isolate that never saw them", async () => {
    const { tenant, key } = await tenantWithKey();
    expect(await append(key.key)).toMatchObject({ status: 201 });
    const path = `/v1/admin/tenants/${tenant}/keys/${key.id}`;
    const first = await sendAsAdmin("DELETE", path);
    expect(first).toMatchObject({ status: 200, body: { id: key.id, status: "revoked" } });
    expect(await append(key.key)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(await isolate().keys.check(parseKey(key.key) ?? expect.unreachable())).toBeNull();
    expect(await sendAsAdmin("DELETE", path)).toEqual(first);
    expect(await sendAsAdmin("POST", `${path}/rotate`, {})).toMatchObject({
      status: 409,
      body: { code: "key_not_live" },
    });
  });

  it("have a time of last use, which does not count refused uses", async () => {
    const { tenant, key } = await tenantWithKey();
    // Another key, whatever the last character of this one is.
    await append(key.key.slice(0, -1) + (key.key.endsWith("x") ? "y" : "x"));
    expect((await isolate().keys.list(tenant, 1, null))[0]?.lastUsedAt).toBeNull();
    await append(key.key);
    await until("the use is noted", async () => (await isolate().keys.list(tenant, 1, null))[0]?.lastUsedAt !== null);
  });

  it.each([
    ["no name", {}, "/name"],
    ["an empty name", { name: "" }, "/name"],
    ["a name of a megabyte", { name: "x".repeat(500_000) }, "/name"],
    ["a name that would move a cursor", { name: "x\u001b[2J" }, "/name"],
    ["a scope that no key may have", { name: "x", scopes: ["admin"] }, "/scopes/0"],
    ["no scope", { name: "x", scopes: [] }, "/scopes"],
    ["a scope twice", { name: "x", scopes: ["ops", "ops"] }, "/scopes"],
    ["an expiry in the past", { name: "x", expiresAt: "2020-01-01T00:00:00Z" }, "/expiresAt"],
    ["an expiry that is no moment", { name: "x", expiresAt: "tomorrow" }, "/expiresAt"],
    ["a field that is not known", { name: "x", key: "tk_mine" }, ""],
  ])("are not created with %s", async (_, body, path) => {
    const tenant = freshTenant();
    await isolate().create(tenant, null);
    const answer = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, body);
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_failed" } });
    expect(JSON.stringify(answer.body["errors"])).toContain(path);
    expect(await isolate().keys.list(tenant, 10, null)).toEqual([]);
  });

  it("of the tenant of the deployment's own key need no tenant to be created first", async () => {
    const answer = await sendAsAdmin("POST", `/v1/admin/tenants/${TEST_WORKER_BINDINGS.THREADKEEP_API_TENANT}/keys`, {
      name: "beside the deployment's",
      scopes: ["memory:read"],
    });
    expect(answer.status).toBe(201);
    expect(await sendAsAdmin("GET", "/v1/sessions?limit=1", undefined, String(answer.body["key"]))).toMatchObject({
      status: 200,
    });
  });
});
