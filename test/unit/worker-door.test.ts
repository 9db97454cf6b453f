import { createServer, connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { clientsOf, isWranglerConnectedTo } from "../../scripts/dev/peer-process.ts";
import { type LocalEnv, withDoor } from "../../scripts/dev/worker-door.ts";

const ADMIN_KEY = "tk_admin_of_the_test";
const TRIGGER = "/cdn-cgi/local/explorer/api/workflows/threadkeep-operations/instances";
const SCHEDULED = "/cdn-cgi/local/scheduled?cron=*+*+*+*+*";
const context = { waitUntil: () => undefined, passThroughOnException: () => undefined };

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly isWrangler?: boolean;
  readonly host?: string;
}

/** Sends a request through the module in front of the Worker: its answer, what reached the Worker, and what was started. */
async function knock(
  path: string,
  { method = "GET", headers = {}, body, isWrangler = false, host = "localhost" }: Asked = {},
) {
  const reached: Request[] = [];
  const begun: unknown[] = [];
  const env: LocalEnv = {
    THREADKEEP_ADMIN_KEY: ADMIN_KEY,
    LOCAL_DOORMAN: { fetch: async () => new Response(isWrangler ? "wrangler" : "nobody") },
    OPERATIONS_WORKFLOW: {
      create: async (options) => {
        begun.push(options);
        return { id: options.id ?? "made" };
      },
    },
  };
  const worker = withDoor({
    fetch: (request: Request) => {
      reached.push(request);
      return new Response("the Worker");
    },
    scheduled: ({ cron }: { cron: string }) => void begun.push(cron),
  });
  const request = new Request(`http://${host}:8787${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await worker.fetch(request, env, context);
  return { status: answer.status, text: await answer.text(), reached, begun };
}

const OF_A_PAGE: readonly Asked[] = [
  { headers: { Origin: "http://localhost:3000" } },
  { headers: { Origin: "http://localhost:8787" } },
  { headers: { Origin: "null" } },
  { headers: { Referer: "http://localhost:3000/page" } },
  { headers: { "Sec-Fetch-Site": "cross-site" } },
  { headers: { "Sec-Fetch-Site": "same-site" } },
  { headers: { "Sec-Fetch-Site": "same-origin" } },
  { host: "evil.example" },
];

describe("the module in front of a local service", () => {
  it("passes requests on without the simulator's headers, and with the connection's address", async () => {
    const headers = {
      "MF-Original-URL": "http://evil.example/v1/sessions",
      "mf-route-override": "another",
      "MF-CF-Blob": "{}",
      "CF-Connecting-IP": "203.0.113.7",
      "X-Own": "kept",
    };
    const { reached } = await knock("/v1/sessions?limit=1", { method: "POST", headers, body: { a: 1 } });
    const [request] = reached;
    expect(request?.url).toBe("http://localhost:8787/v1/sessions?limit=1");
    expect(request?.method).toBe("POST");
    const told = Object.fromEntries(request?.headers ?? []);
    expect(told).toMatchObject({ "cf-connecting-ip": "127.0.0.1", "x-own": "kept" });
    expect(Object.keys(told).filter((name) => name.startsWith("mf-"))).toEqual([]);
    expect(await request?.json()).toEqual({ a: 1 });
  });

  it.each([
    "/cdn-cgi/local/explorer",
    "/cdn-cgi/local/explorer/api/workers/durable_objects/namespaces",
    "/cdn-cgi/local/explorer/api/workers/durable_objects/namespaces/x/query",
    "/cdn-cgi/local/explorer/api/workflows/threadkeep-operations",
    "/cdn-cgi/local/explorer/api/workflows/threadkeep-operations/instances/x/status",
    "/cdn-cgi/local/email",
    "/cdn-cgi/local/platform-proxy",
    "/cdn-cgi/anything",
  ])("offers no %s, not even with the admin key", async (path) => {
    for (const method of ["GET", "POST"]) {
      const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
      expect(await knock(path, { method, headers, isWrangler: true })).toMatchObject({
        status: 404,
        reached: [],
        begun: [],
      });
    }
  });

  it.each(OF_A_PAGE)("starts nothing for a page: %j", async (asked) => {
    const headers = { ...asked.headers, Authorization: `Bearer ${ADMIN_KEY}` };
    const body = { params: { op: "erase-user", tenant: "local", user: "victim" } };
    for (const [path, method] of [
      [TRIGGER, "POST"],
      [SCHEDULED, "GET"],
      [SCHEDULED, "POST"],
    ] as const) {
      const sent = { ...asked, headers, method, ...(path === TRIGGER ? { body } : {}), isWrangler: true };
      expect(await knock(path, sent)).toMatchObject({ status: 403, begun: [], reached: [] });
    }
  });

  it("starts an operation for the admin key and for wrangler, and for nobody else", async () => {
    const body = { id: "mine", params: { op: "verify" } };
    const asked = { method: "POST", body };
    expect(await knock(TRIGGER, asked)).toMatchObject({ status: 401, begun: [] });
    expect(await knock(TRIGGER, { ...asked, headers: { Authorization: "Bearer another" } })).toMatchObject({
      status: 401,
    });
    const byKey = await knock(TRIGGER, { ...asked, headers: { Authorization: `Bearer ${ADMIN_KEY}` } });
    const byWrangler = await knock(TRIGGER, { ...asked, isWrangler: true });
    for (const { status, text, begun } of [byKey, byWrangler]) {
      expect({ status, begun }).toEqual({ status: 200, begun: [body] });
      expect(JSON.parse(text)).toMatchObject({ success: true, result: { id: "mine" } });
    }
    expect(await knock(TRIGGER, { isWrangler: true })).toMatchObject({ status: 404, begun: [] });
  });

  it("runs a cron for the admin key, and for nobody else on this machine", async () => {
    const admin = { Authorization: `Bearer ${ADMIN_KEY}` };
    const rung = { status: 200, text: "ok", begun: ["* * * * *"] };
    expect(await knock(SCHEDULED, { headers: admin })).toMatchObject(rung);
    expect(await knock(SCHEDULED, { headers: { ...admin, "Sec-Fetch-Site": "none" } })).toMatchObject(rung);
    for (const headers of [{}, { Authorization: "Bearer another" }, { Authorization: ADMIN_KEY }]) {
      expect(await knock(SCHEDULED, { headers, isWrangler: true })).toMatchObject({ status: 401, begun: [] });
    }
  });
});

describe.runIf(process.platform === "linux" || process.platform === "darwin")("who is connected to a port", () => {
  it("is found by process: this one, which is not wrangler, and nobody after it has disconnected", async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    expect(clientsOf(port)).toEqual([]);
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    expect(clientsOf(port)).toContain(process.pid);
    expect(isWranglerConnectedTo(port)).toBe(false);
    socket.destroy();
  });
});
