import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type CreatedKey, createdKeySchema } from "../../src/api/api-key.ts";
import { assemble } from "../../src/assembly.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createCopyReader } from "../../src/tenant/copy-reader.ts";
import { CopyWriter } from "../../src/tenant/copy-writer.ts";
import { until } from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { sendAsAdmin } from "../support/worker-http.ts";

const log = createLog({ write: () => undefined });
const read = createCopyReader({
  store: env.TENANT_COPIES,
  secret: TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY,
  metrics: { tenantCopy: () => undefined },
  log,
});

/** The Worker in an isolate that cannot reach the tenants' objects. */
function strandedWorker() {
  const away = new Proxy(env.TENANT, {
    get(target, name) {
      if (name === "getByName") throw new Error("Network connection lost.");
      return Reflect.get(target, name);
    },
  });
  const { app } = assemble({ ...env, TENANT: away }, log);
  return async (method: string, path: string, key: string, body?: object) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const request = new Request(`http://threadkeep.test${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const response = await app.fetch(request, env, createExecutionContext());
    return { status: response.status, body: await response.json<Record<string, unknown>>() };
  };
}

/** A tenant in the EU with keys, and its copy. */
async function tenantWithKeys(names: readonly string[]): Promise<{ tenant: string; keys: CreatedKey[] }> {
  const tenant = `t-${crypto.randomUUID()}`;
  await sendAsAdmin("POST", "/v1/admin/tenants", { tenant, jurisdiction: "eu", settings: { maxTokens: 3_000 } });
  const keys: CreatedKey[] = [];
  for (const name of names) {
    const { body } = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, { name });
    keys.push(createdKeySchema.parse(body));
  }
  await until("the copy has the keys", async () => (await read(tenant))?.keys?.live.length === names.length);
  return { tenant, keys };
}

const revoke = (tenant: string, id: string) => sendAsAdmin("DELETE", `/v1/admin/tenants/${tenant}/keys/${id}`);
const message = { messages: [{ id: "m", role: "user", content: "hello" }] };

describe("an isolate that cannot reach a tenant's object", () => {
  it("serves the holder of a valid key by the tenant's copy, refuses a revoked one, and cannot tell about an unknown one", async () => {
    const { tenant, keys } = await tenantWithKeys(["back end", "leaked"]);
    const [good, leaked] = keys.map(({ key }) => key);
    expect(await revoke(tenant, keys[1]?.id ?? "")).toMatchObject({ status: 200, body: { copied: true } });
    const send = strandedWorker();
    expect(await send("POST", "/v1/sessions/s/messages", good ?? "", message)).toMatchObject({ status: 201 });
    const context = await send("GET", "/v1/sessions/s/context", good ?? "");
    expect(context).toMatchObject({ status: 200, body: { tokens: { budget: 3_000 } } });
    expect(await send("GET", "/v1/sessions/s", leaked ?? "")).toMatchObject({ status: 401 });
    // A key of another tenant, whose copy is not there yet, and one that is newer than the copy.
    const { keys: others } = await tenantWithKeys(["other"]);
    await env.TENANT_COPIES.delete((others[0]?.key ?? "").split("_")[1] ?? "");
    expect(await strandedWorker()("GET", "/v1/sessions/s", others[0]?.key ?? "")).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
    const before = await env.TENANT_COPIES.get(tenant, "arrayBuffer");
    const made = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, { name: "new" });
    await until("the copy has the new key", async () => (await read(tenant))?.keys?.live.length === 2);
    await env.TENANT_COPIES.put(tenant, before ?? "");
    expect(await send("GET", "/v1/sessions/s", createdKeySchema.parse(made.body).key)).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
  });
});

describe("a revocation", () => {
  it("says that the copy does not know it while the store cannot be written, and the copy gets it later", async () => {
    const { tenant, keys } = await tenantWithKeys(["back end"]);
    const id = keys[0]?.id ?? "";
    const write = vi.spyOn(CopyWriter.prototype, "write").mockResolvedValue(false);
    onTestFinished(() => write.mockRestore());
    expect(await revoke(tenant, id)).toMatchObject({ status: 200, body: { status: "revoked", copied: false } });
    write.mockRestore();
    await until("the copy has no key", async () => (await read(tenant))?.keys?.live.length === 0);
    expect(await revoke(tenant, id)).toMatchObject({ status: 200, body: { status: "revoked", copied: true } });
  });
});
