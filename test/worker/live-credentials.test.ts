import { env, exports, waitUntil } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { formatKey } from "../../src/access/key-format.ts";
import { createTokenVerifier } from "../../src/access/supabase.ts";
import { newKeySchema } from "../../src/api/api-key.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import {
  clientOf,
  creationOf,
  eventsOf,
  type LiveClient,
  said,
  sessionAt,
  type SessionRef,
  until,
  unwrap,
} from "../support/session.ts";
import { TokenIssuer } from "../support/token-issuer.ts";
import { appWith } from "../support/worker-app.ts";

const LIFETIME_MS = 120_000;
/** The tolerance for different clocks, if another machine says when a token ends. */
const SKEW_MS = 60_000;
const log = createLog({ write: () => undefined });

/** Who opens a socket, and how. */
interface Opening {
  readonly ref: SessionRef;
  readonly ask: (path: string, init: RequestInit) => Promise<Response>;
  readonly bearer: string;
}

afterEach(() => void vi.useRealTimers());

/** A session of a new tenant, with a key that expires. */
async function byKey(): Promise<Opening> {
  const tenant = `t-${crypto.randomUUID()}`;
  const tenants = createTenantClient(env.TENANT, { keepAlive: waitUntil, log });
  await tenants.create(tenant, null);
  const expiresAt = new Date(Date.now() + LIFETIME_MS).toISOString();
  const { state, secret } = unwrap(await tenants.keys.create(tenant, newKeySchema.parse({ name: "brief", expiresAt })));
  return {
    ref: { tenant, owner: "-", session: "s" },
    ask: (path, init) => exports.default.fetch(new Request(`http://threadkeep.test${path}`, init)),
    bearer: formatKey({ tenant, id: state.id, secret }),
  };
}

/** A session of a user, with a token that expires. */
async function byToken(): Promise<Opening> {
  const issuer = new TokenIssuer();
  await issuer.addKey("one");
  const tenant = `t-${crypto.randomUUID()}`;
  const trusted = { issuer: issuer.issuer, jwksUrl: issuer.jwksUrl, tenant, audience: "authenticated" };
  const issuers = [{ ...trusted, anonymousUsers: false }];
  const verify = createTokenVerifier({ issuers, fetch: issuer.fetch, keepAlive: waitUntil, log });
  const app = appWith({
    authenticate: (request) => verify(request.headers.get("Authorization")?.slice("Bearer ".length) ?? "", request),
  });
  const now = Math.floor(Date.now() / 1_000);
  return {
    ref: { tenant, owner: "mira", session: "s" },
    ask: async (path, init) => app.request(`http://threadkeep.test${path}`, init),
    bearer: await issuer.sign("one", now, { exp: now + (LIFETIME_MS - SKEW_MS) / 1_000 }),
  };
}

async function open({ ask, bearer }: Opening): Promise<LiveClient> {
  const headers = { upgrade: "websocket", authorization: `Bearer ${bearer}` };
  const client = clientOf(await ask("/v1/sessions/s/live", { headers }));
  await client.find("hello", ({ type }) => type === "hello");
  return client;
}

async function openWithTicket({ ask, bearer }: Opening): Promise<LiveClient> {
  const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
  const answer = await ask("/v1/sessions/s/tickets", { method: "POST", headers, body: "{}" });
  const { ticket }: { ticket: string } = JSON.parse(await answer.text());
  const client = clientOf(await ask(`/v1/sessions/s/live?ticket=${ticket}`, { headers: { upgrade: "websocket" } }));
  await client.find("hello", ({ type }) => type === "hello");
  return client;
}

describe("a socket is closed with 4401, and receives nothing more, when its credentials end:", () => {
  it.each([
    ["an API key", byKey, open],
    ["a ticket that was bought with an API key", byKey, openWithTicket],
    ["a user's token", byToken, open],
  ])("%s", async (_, begin, enter) => {
    const opening = await begin();
    const session = sessionAt(opening.ref);
    unwrap(await session.append({ messages: [said("first")] }, creationOf(opening.ref)));
    const client = await enter(opening);
    unwrap(await session.append({ messages: [said("in time")] }, null));
    await until("the event has come", async () => eventsOf(client).length === 1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + LIFETIME_MS });
    unwrap(await session.append({ messages: [said("too late")] }, null));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4401, reason: "unauthenticated" });
    expect(eventsOf(client)).toHaveLength(1);
  });
});
