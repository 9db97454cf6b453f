import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAdmission, createRequestLimit } from "../../src/access/rate-limit.ts";
import type { Principal } from "../../src/contracts/principal.ts";
import { createDirectoryClient } from "../../src/registry/directory-client.ts";
import { createRpcEntrypoint } from "../../src/rpc/threadkeep.ts";
import type { Parts } from "../../src/service/call.ts";
import { SUMMARIZER_ROUTE } from "../../src/summarizer/server.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { appWith } from "../support/worker-app.ts";
import { listeningTrail } from "../support/worker-audit.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { send } from "../support/worker-http.ts";

const log = createLog({ write: () => undefined });

/** Lets so many requests of each name pass. */
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

const asked = (app: ReturnType<typeof appWith>): Promise<Response> =>
  Promise.resolve(app.request(`http://threadkeep.test${SUMMARIZER_ROUTE}`, { method: "POST", body: "{}" }));

describe("a call over a service binding", () => {
  it("counts like a request, before anything is read or done for it", async () => {
    const { counts, limit: limitRequests } = limitOf(3);
    const tenant = `t-${crypto.randomUUID()}`;
    const known: Partial<Parts> = { audit: listeningTrail(), directory: createDirectoryClient(env.DIRECTORY) };
    const Entrypoint = createRpcEntrypoint(() => ({ parts: known as Parts, limitRequests, log }));
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
  const admin: Principal = { kind: "admin", id: "admin", tenant: "test", owner: "-", scopes: ["admin"] };
  const agent = { path: SUMMARIZER_ROUTE, answer: async () => Response.json({ summarized: true }) };

  it("is for operators alone, and every call of it is audited", async () => {
    const audit = listeningTrail();
    const to = (principal: Principal) => appWith({ agent, authenticate: async () => principal }, { audit });
    expect((await asked(to(admin))).status).toBe(200);
    const tenantKey = {
      ...admin,
      kind: "tenant-key",
      id: "key:1",
      scopes: ["memory:read", "memory:write", "ops"],
    } as const;
    const refused = await asked(to(tenantKey));
    expect([refused.status, await refused.json()]).toMatchObject([403, { code: "forbidden" }]);
    expect(audit.recorded).toMatchObject([
      { action: "askSummarizer", result: "ok", tenant: null, actor: { id: "admin" } },
    ]);
    expect(audit.refused).toMatchObject([{ action: "askSummarizer", result: "forbidden", actor: { id: "key:1" } }]);
  });

  it("counts like a request", async () => {
    const app = appWith({ agent, authenticate: async () => admin, limit: limitOf(3).limit });
    const statuses: number[] = [];
    for (let call = 0; call < 5; call += 1) statuses.push((await asked(app)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });

  it("is reached so in the Worker itself", async () => {
    const body = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
    const headers = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18" };
    const as = (key: string) => send("POST", SUMMARIZER_ROUTE, body, { key, headers });
    expect((await as(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY)).status).toBe(200);
    expect(await as(TEST_WORKER_BINDINGS.THREADKEEP_API_KEY)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    expect(await as("nobody")).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  });
});
