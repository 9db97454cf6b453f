import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createdKeySchema, newKeySchema } from "../../src/api/api-key.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { listedTenantSchema, tenantStateSchema } from "../../src/api/tenant.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createJurisdictions } from "../../src/lib/jurisdiction.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient, type TenantClient } from "../../src/tenant/client.ts";
import { runInDurableObject, turn, unwrap } from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { type JsonAnswer, sendAsAdmin } from "../support/worker-http.ts";

const freshTenant = (): string => `t-${crypto.randomUUID()}`;
const log = createLog({ write: () => undefined });

function isolate(namespace = env.TENANT, now: () => number = Date.now): TenantClient {
  return createTenantClient(namespace, { keepAlive: waitUntil, log, now });
}

/** A namespace like Cloudflare's: the same name is another object in each jurisdiction. workerd itself has only one place. */
function cloudflare<N extends DurableObjectNamespace>(namespace: N, place = ""): N {
  return new Proxy(namespace, {
    get(target, name) {
      if (name === "jurisdiction") return (jurisdiction: string) => cloudflare(target, `${jurisdiction}:`);
      if (name === "getByName") return (object: string) => target.getByName(place + object);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function isWritten(namespace: DurableObjectNamespace, name: string): Promise<boolean> {
  return runInDurableObject(
    namespace.getByName(name),
    (_, { storage }) =>
      storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'session' OR name = 'sessions'").toArray().length > 0,
  );
}

const create = (body: object): Promise<JsonAnswer> => sendAsAdmin("POST", "/v1/admin/tenants", body);

async function faultOf(promise: Promise<unknown>): Promise<unknown> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  return thrown instanceof ThreadkeepError ? thrown.fault : thrown;
}

describe("the objects of a tenant with a jurisdiction", () => {
  it("are there and nowhere else: its sessions, and the directory of them", async () => {
    const [tenant, other] = [freshTenant(), freshTenant()];
    await isolate().create(tenant, "eu");
    await isolate().create(other, null);
    const tenants = isolate();
    const sessions = createSessionClient(cloudflare(env.CHAT_SESSION), tenants.place);
    const directory = createDirectoryClient(cloudflare(env.DIRECTORY), tenants.place);
    for (const [of, place, elsewhere] of [
      [tenant, "eu:", ""],
      [other, "", "eu:"],
    ] as const) {
      const ref = { tenant: of, owner: "ada", session: "s" };
      unwrap(await sessions.get(ref).create({ ref, ...(await directory.register(ref, 1_000, {})) }));
      unwrap(await sessions.get(ref).append({ messages: [turn(1)] }, null));
      expect(unwrap(await sessions.get(ref).state())).toMatchObject({ headSeq: 1 });
      expect(await isWritten(env.CHAT_SESSION, `${place}${of}/ada/s`)).toBe(true);
      expect(await isWritten(env.CHAT_SESSION, `${elsewhere}${of}/ada/s`)).toBe(false);
      expect(await isWritten(env.DIRECTORY, `${place}${of}/ada`)).toBe(true);
      expect(await isWritten(env.DIRECTORY, `${elsewhere}${of}/ada`)).toBe(false);
      const page = await directory.list(of, "ada", { limit: 5, cursor: null, metadata: {} });
      expect(page.data).toMatchObject([{ id: "s" }]);
    }
  });

  it("are reached without a call of the tenant's object once it is cached: neither for the key, nor the settings, nor the jurisdiction", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, "eu", { maxTokens: 3_000 });
    const { state, secret } = unwrap(await isolate().keys.create(tenant, newKeySchema.parse({ name: "back end" })));
    let calls = 0;
    const counting = new Proxy(env.TENANT, {
      get(target, name) {
        if (name === "getByName") calls += 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const tenants = isolate(counting);
    const sessions = createSessionClient(cloudflare(env.CHAT_SESSION), tenants.place);
    const ref = { tenant, owner: "-", session: "s" };
    for (let seq = 1; seq <= 20; seq += 1) {
      const good = await tenants.keys.check({ tenant, id: state.id, secret });
      expect(good?.scopes).toContain("memory:write");
      const settings = await tenants.read(tenant);
      unwrap(await sessions.get(ref).append({ messages: [turn(seq)] }, { ref, createdAt: 1_000 }, settings));
    }
    // One call for all three, and one after the first answer, which records the key's use.
    expect(calls).toBe(2);
  });

  it("are not guessed by an isolate that never read the tenant and cannot ask", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, "eu");
    const away = new Proxy(env.TENANT, {
      get(target, name) {
        if (name === "getByName") throw new Error("Network connection lost.");
        return Reflect.get(target, name);
      },
    });
    const sessions = createSessionClient(cloudflare(env.CHAT_SESSION), isolate(away).place);
    const ref = { tenant, owner: "-", session: "s" };
    const append = sessions.get(ref).append({ messages: [turn(1)] }, { ref, createdAt: 1_000 });
    expect(await faultOf(append)).toMatchObject({ code: "unavailable", retryAfterSeconds: 5 });
    expect(await isWritten(env.CHAT_SESSION, `${tenant}/-/s`)).toBe(false);
  });

  it("are found by an isolate that read the tenant once, however long the tenant's object is unavailable", async () => {
    const tenant = freshTenant();
    await isolate().create(tenant, "eu");
    let [isAway, time] = [false, Date.now()];
    const flaky = new Proxy(env.TENANT, {
      get(target, name) {
        if (name === "getByName" && isAway) throw new Error("Network connection lost.");
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const tenants = isolate(flaky, () => time);
    const placeOf = async (): Promise<boolean> => {
      const namespace = cloudflare(env.CHAT_SESSION);
      return (await tenants.place(namespace, tenant)) !== namespace;
    };
    expect(await placeOf()).toBe(true);
    isAway = true;
    time += 86_400_000;
    expect(await placeOf()).toBe(true);
  });
});

describe("a jurisdiction that the runtime refuses", () => {
  const refusing = (message: string): DurableObjectNamespace =>
    new Proxy<DurableObjectNamespace>(env.CHAT_SESSION, {
      get: (target, name) =>
        name === "jurisdiction"
          ? () => {
              throw new Error(message);
            }
          : Reflect.get(target, name),
    });

  it("is ignored only on a laptop, where there is one place, which is logged once", () => {
    const events: string[] = [];
    const inJurisdiction = createJurisdictions(createLog({ write: (_, line) => events.push(JSON.parse(line).event) }));
    for (let request = 0; request < 3; request += 1) {
      expect(inJurisdiction(env.CHAT_SESSION, "eu")).toBe(env.CHAT_SESSION);
    }
    expect(events).toEqual(["jurisdiction_is_local"]);
  });

  it("stops the request for any other reason: nothing is written elsewhere", () => {
    const inJurisdiction = createJurisdictions(log);
    for (const message of ["", "Invalid jurisdiction", "Jurisdiction eu is not available"]) {
      expect(() => inJurisdiction(refusing(message), "eu")).toThrow(message);
    }
  });
});

describe("tenants over HTTP", () => {
  it("are created once, and returned as they are when they are created again", async () => {
    const tenant = freshTenant();
    const first = await create({ tenant, jurisdiction: "eu", settings: { maxTokens: 3_000 } });
    expect(first.status).toBe(201);
    const state = tenantStateSchema.strict().parse(first.body);
    expect(state).toMatchObject({ tenant, jurisdiction: "eu", settings: { maxTokens: 3_000 }, rev: 1 });
    expect(state.createdAt).not.toBeNull();
    const again = await create({ tenant, jurisdiction: "eu", settings: { maxTokens: 9_000 } });
    expect(again).toEqual({ status: 200, body: first.body });
    expect((await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}`)).body).toEqual(first.body);
  });

  it.each([
    ["eu", null],
    ["eu", "fedramp"],
    [null, "eu"],
  ])("created in %s cannot be moved to %s", async (from, to) => {
    const tenant = freshTenant();
    const { body } = await create({ tenant, jurisdiction: from });
    expect(await create({ tenant, jurisdiction: to })).toMatchObject({
      status: 409,
      body: { code: "tenant_exists", tenant, errors: [{ path: "/jurisdiction" }] },
    });
    expect((await sendAsAdmin("GET", `/v1/admin/tenants/${tenant}`)).body).toEqual(body);
  });

  it("that were used before get no jurisdiction, because their data could not be found again", async () => {
    const [set, chatted] = [freshTenant(), freshTenant()];
    await sendAsAdmin("PATCH", `/v1/admin/tenants/${set}`, { summarization: "paused" });
    await createDirectoryClient(env.DIRECTORY).register({ tenant: chatted, owner: "-", session: "s" }, 1_000, {});
    for (const tenant of [set, chatted, TEST_WORKER_BINDINGS.THREADKEEP_API_TENANT]) {
      expect(await create({ tenant, jurisdiction: "eu" }), tenant).toMatchObject({ status: 409 });
      expect(await create({ tenant }), tenant).toMatchObject({ body: { tenant, jurisdiction: null } });
    }
    expect((await sendAsAdmin("GET", `/v1/admin/tenants/${set}`)).body).toMatchObject({
      summarization: "paused",
      rev: 1,
    });
  });

  it("are listed by name, in pages, each once", async () => {
    const names = Array.from({ length: 5 }, (_, index) => `listed-${index}-${crypto.randomUUID()}`);
    for (const tenant of names)
      await create({ tenant, jurisdiction: tenant.startsWith("listed-2") ? "fedramp" : null });
    const seen: string[] = [];
    let cursor = "";
    do {
      const { status, body } = await sendAsAdmin("GET", `/v1/admin/tenants?limit=3${cursor}`);
      expect(status).toBe(200);
      const page = listedTenantSchema.strict().array().parse(body["data"]);
      expect(page.length).toBeLessThanOrEqual(3);
      for (const { tenant, jurisdiction } of page) {
        if (tenant.startsWith("listed-2")) expect(jurisdiction).toBe("fedramp");
        seen.push(tenant);
      }
      cursor = body["nextCursor"] === null ? "" : `&cursor=${String(body["nextCursor"])}`;
    } while (cursor !== "");
    expect(seen).toEqual([...new Set(seen)].toSorted());
    expect(seen).toEqual(expect.arrayContaining(names));
    expect(await sendAsAdmin("GET", "/v1/admin/tenants?cursor=bm8")).toMatchObject({ status: 422 });
  });

  it("have working keys whatever their jurisdiction is", async () => {
    const tenant = freshTenant();
    await create({ tenant, jurisdiction: "eu" });
    const made = await sendAsAdmin("POST", `/v1/admin/tenants/${tenant}/keys`, { name: "back end" });
    const { key } = createdKeySchema.parse(made.body);
    const message = { messages: [{ id: "m", role: "user", content: "hello" }] };
    expect(await sendAsAdmin("POST", "/v1/sessions/s/messages", message, key)).toMatchObject({ status: 201 });
    expect(await sendAsAdmin("GET", "/v1/sessions", undefined, key)).toMatchObject({ body: { data: [{ id: "s" }] } });
    expect(await sendAsAdmin("DELETE", "/v1/sessions/s", undefined, key)).toMatchObject({ status: 202 });
  });

  it.each([
    ["no name", {}, "/tenant"],
    ["a name that is no name", { tenant: "ACME Inc." }, "/tenant"],
    ["a name with a way out of it", { tenant: "acme/ada" }, "/tenant"],
    ["a place that does not exist", { tenant: "acme", jurisdiction: "moon" }, "/jurisdiction"],
    ["settings that cannot be", { tenant: "acme", settings: { maxTokens: 1 } }, "/settings/maxTokens"],
    ["a field that is not known", { tenant: "acme", plan: "gold" }, ""],
  ])("are not created with %s", async (_, body, path) => {
    const answer = await create(body);
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_failed" } });
    expect(JSON.stringify(answer.body["errors"])).toContain(path);
  });
});
