import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAdmission, createRequestLimit } from "../../src/access/rate-limit.ts";
import { MAX_BODY_BYTES, MAX_MCP_BATCH } from "../../src/api/limits.ts";
import { type Principal, scopeSchema } from "../../src/api/principal.ts";
import { assemble } from "../../src/assembly.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { requestsIn } from "../../src/mcp/batch.ts";
import { createRpcEntrypoint } from "../../src/rpc/threadkeep.ts";
import { SUMMARIZER_ROUTE } from "../../src/summarizer/server.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { Deps } from "../../src/usecases/request-context.ts";
import { appWith } from "../support/worker-app.ts";
import { listeningTrail } from "../support/worker-audit.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { send } from "../support/worker-http.ts";

const log = createLog({ write: () => undefined });

/** Lets this many requests of each name pass. */
function limitOf(most: number) {
  const counts = new Map<string, number>();
  const key = {
    async limit({ key: name }: { key: string }) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return { success: (counts.get(name) ?? 0) <= most };
    },
  };
  const tenant = { limit: async () => ({ success: true }) };
  return { counts, limit: createRequestLimit(createAdmission({ key, tenant }, log)) };
}

const asked = (app: ReturnType<typeof appWith>, body = "{}"): Promise<Response> => {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  return Promise.resolve(app.request(`http://threadkeep.test${SUMMARIZER_ROUTE}`, init));
};

describe("a call over a service binding", () => {
  it("is counted like a request, before anything is read or done for it", async () => {
    const { counts, limit: limitRequests } = limitOf(3);
    const tenant = `t-${crypto.randomUUID()}`;
    const known: Partial<Deps> = { audit: listeningTrail(), directory: createDirectoryClient(env.DIRECTORY) };
    const Entrypoint = createRpcEntrypoint(() => ({ parts: known as Deps, limitRequests, log }));
    const context = Object.assign(createExecutionContext(), { props: { tenant, scopes: ["memory:read"] } });
    const binding = new Entrypoint(context, env);
    const codes: (string | null)[] = [];
    for (let call = 0; call < 5; call += 1) {
      codes.push(
        await binding.sessions().then(
          () => null,
          (error: unknown) => Reflect.get(Object(error), "code"),
        ),
      );
    }
    expect(codes).toEqual([null, null, null, "rate_limited", "rate_limited"]);
    expect(counts).toEqual(new Map([[`${tenant}/binding`, 5]]));
  });
});

describe("the summarizer's MCP server, asked from outside", () => {
  const admin: Principal = { kind: "admin", id: "admin", tenant: "test", owner: "-", scopes: ["summarizer", "admin"] };
  const keyWith = (scopes: Principal["scopes"]): Principal => ({ ...admin, kind: "tenant-key", id: "key:1", scopes });
  const agent = {
    path: SUMMARIZER_ROUTE,
    requestsIn,
    answer: async (_request: Request, body: unknown) => Response.json({ summarized: body }),
  };
  const listing = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
  const headers = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18" };
  const everyOther = scopeSchema.exclude(["summarizer"]).options;

  it("requires its scope, and every call is audited", async () => {
    const audit = listeningTrail();
    const to = (principal: Principal) => appWith({ agent, authenticate: async () => principal }, { audit });
    expect((await asked(to(admin))).status).toBe(200);
    expect((await asked(to(keyWith(["summarizer"])))).status).toBe(200);
    for (const wrong of [keyWith(everyOther), { ...keyWith(everyOther), kind: "user", owner: "ada" } as const]) {
      const refused = await asked(to(wrong), "{");
      expect([refused.status, await refused.json()]).toMatchObject([403, { code: "forbidden" }]);
    }
    // The administrator's calls belong to no tenant; those of a tenant's key can be read by the tenant's operators.
    expect(audit.recorded).toMatchObject([
      { action: "askSummarizer", result: "ok", tenant: null, actor: { id: "admin" } },
      { action: "askSummarizer", result: "ok", tenant: "test", actor: { id: "key:1" } },
    ]);
    expect(audit.refused).toMatchObject(
      [1, 2].map(() => ({ action: "askSummarizer", result: "forbidden", actor: { id: "key:1" } })),
    );
  });

  it("is counted like a request, for each request of a batch, and accepts no larger body than one", async () => {
    const statusesOf = async (...bodies: string[]): Promise<number[]> => {
      const app = appWith({ agent, authenticate: async () => admin, limit: limitOf(3).limit });
      const statuses: number[] = [];
      for (const body of bodies) statuses.push((await asked(app, body)).status);
      return statuses;
    };
    expect(await statusesOf("{}", "{}", "{}", "{}")).toEqual([200, 200, 200, 429]);
    expect(await statusesOf(JSON.stringify([listing, listing, listing]), "{}")).toEqual([200, 429]);
    const many = JSON.stringify(Array.from({ length: MAX_MCP_BATCH + 1 }, () => listing));
    expect(await statusesOf(many, "{", `"${"x".repeat(MAX_BODY_BYTES)}"`)).toEqual([422, 400, 413]);
  });

  it("is called in the same way inside the Worker, and a key with only that scope opens nothing else", async () => {
    const as = (key: string) => send("POST", SUMMARIZER_ROUTE, listing, { key, headers });
    const adminKey = TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY;
    const keys = `/v1/admin/tenants/${TEST_WORKER_BINDINGS.THREADKEEP_API_TENANT}/keys`;
    const made = await send("POST", keys, { name: "a batch job", scopes: ["summarizer"] }, { key: adminKey });
    const key = String(made.body["key"]);
    for (const able of [adminKey, key]) expect((await as(able)).status).toBe(200);
    expect(await as(TEST_WORKER_BINDINGS.THREADKEEP_API_KEY)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    expect(await as("nobody")).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    for (const path of ["/v1/sessions", "/v1/admin/audit", keys, "/metrics"]) {
      expect(await send("GET", path, undefined, { key }), path).toMatchObject({ status: 403 });
    }
    const page = await send("POST", SUMMARIZER_ROUTE, listing, {
      key,
      headers: { ...headers, origin: "https://evil.example" },
    });
    expect(page.status).toBe(403);
  });

  it("does not exist if it is turned off, and the service still makes summaries with it", async () => {
    const { app, pipelineOf } = assemble(Object.assign({}, env, { SUMMARIZER_ENDPOINT: "off" }), log);
    const request = new Request(`http://threadkeep.test${SUMMARIZER_ROUTE}`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY}` },
      body: JSON.stringify(listing),
    });
    const answer = await app.fetch(request, env, createExecutionContext());
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: "route_not_found" }]);
    const at = "2026-11-28T10:00:00.000Z";
    const messages = [{ seq: 1, role: "user" as const, at, text: "We decided to host the archive in Frankfurt." }];
    const asking = pipelineOf(createExecutionContext()).summarizer;
    expect(await asking.summarize({ previous: [], messages, maxTokens: 500 })).toMatchObject({ items: [{}] });
  });
});
