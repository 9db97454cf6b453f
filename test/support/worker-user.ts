import { env, waitUntil } from "cloudflare:workers";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import { clientOf, type LiveClient } from "./session/live.ts";
import { appWith } from "./worker-app.ts";
import type { HttpAnswer } from "./worker-http.ts";

/** Users with tokens of their own, for the HTTP surface. */

/** The objects of the test run, as a separate isolate sees them. */
export const tenants = createTenantClient(env.TENANT, {
  keepAlive: waitUntil,
  log: createLog({ write: () => undefined }),
});

/** A tenant that no other test uses. */
export const freshTenant = (): string => `t-${crypto.randomUUID()}`;

export interface UserSurface {
  /** A body of text is sent as JSON Lines. */
  send<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<HttpAnswer<Body>>;
  /** Sends a body unchanged; the answer may have any type. */
  raw(method: string, path: string, body?: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Reads an answer of JSON Lines to its end. @returns its status */
  lines(path: string): Promise<number>;
  /** Opens a socket on a session with the user's token. */
  follow(session: string): Promise<LiveClient>;
}

/** The HTTP surface for a user of a tenant, in an isolate that has not read the tenant yet. */
export function userOf(tenant: string, owner: string, change: Parameters<typeof appWith>[0] = {}): UserSurface {
  const scopes = ["memory:read", "memory:write", "memory:erase"] as const;
  const app = appWith({
    authenticate: async () => ({ kind: "user", id: `user:${owner}`, tenant, owner, scopes }),
    ...change,
  });
  const urlOf = (path: string): string => `http://threadkeep.test/v1${path}`;
  return {
    async send<Body>(method: string, path: string, body?: unknown): Promise<HttpAnswer<Body>> {
      const isLines = typeof body === "string";
      const answer = await app.request(urlOf(path), {
        method,
        headers: { "Content-Type": isLines ? "application/x-ndjson" : "application/json" },
        ...(body === undefined ? {} : { body: isLines ? body : JSON.stringify(body) }),
      });
      // Not text(): the runtime warns about that for JSON Lines.
      const text = new TextDecoder().decode(await answer.arrayBuffer());
      return { status: answer.status, text, body: JSON.parse(text) };
    },
    async raw(method, path, body) {
      const headers = { "Content-Type": "application/json" };
      const answer = await app.request(urlOf(path), { method, headers, ...(body === undefined ? {} : { body }) });
      return { status: answer.status, text: new TextDecoder().decode(await answer.arrayBuffer()) };
    },
    async lines(path) {
      const answer = await app.request(urlOf(path));
      await answer.arrayBuffer();
      return answer.status;
    },
    async follow(session) {
      const client = clientOf(
        await app.request(urlOf(`/sessions/${session}/live`), { headers: { Upgrade: "websocket" } }),
      );
      await client.find("hello", ({ type }) => type === "hello");
      return client;
    },
  };
}
