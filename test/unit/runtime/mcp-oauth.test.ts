import http from "node:http";
import {
  Client,
  type OAuthClientProvider,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { decodeJwt, exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { createAuthenticator } from "../../../src/access/authenticate.ts";
import { NO_COSTS } from "../../../src/access/pace.ts";
import { createTokenVerifier } from "../../../src/access/supabase.ts";
import type { SessionRef } from "../../../src/api/session.ts";
import { createApp } from "../../../src/http/app.ts";
import { requestsIn } from "../../../src/mcp/batch.ts";
import {
  challengeOf,
  describeResource,
  MCP_ROUTE,
  METADATA_ROUTES,
  resourceOf,
} from "../../../src/mcp/protected-resource.ts";
import { createMcpSurface } from "../../../src/mcp/surface.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { callWith } from "./stand-in.ts";

/** A real authorization server on loopback: discovery, registration, PKCE, resource indicators, refresh. Everybody is signed in. */

const SCOPE = "memory:read memory:write memory:erase";

interface AuthorizationServer {
  readonly issuer: string;
  /** Does what a person's browser does with an authorization URL: follows it with its cookies to the client's address. */
  authorize(url: URL): Promise<URL>;
  /** The forms that were posted to get tokens. */
  readonly tokenRequests: URLSearchParams[];
  close(): Promise<void>;
}

/** @param user who signs in @param accessTokenSeconds how long an access token is valid */
async function startAuthorizationServer(user: string, accessTokenSeconds: number): Promise<AuthorizationServer> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: "one", use: "sig", alg: "ES256" };
  const tokenRequests: URLSearchParams[] = [];
  let handle: http.RequestListener = () => undefined;
  const server = http.createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the authorization server has no port");
  const issuer = `http://127.0.0.1:${address.port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    scopes: ["openid", "offline_access", ...SCOPE.split(" ")],
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    cookies: { keys: ["a secret of the tests"] },
    ttl: { AccessToken: accessTokenSeconds },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: SCOPE,
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
    issueRefreshToken: () => true,
    findAccount: (_context: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}` },
    // The user agrees to what the client asks for.
    async loadExistingGrant({ oidc }: GrantContext) {
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      const { resource, scope = "" } = oidc.params;
      grant.addOIDCScope(`openid offline_access ${scope}`);
      if (resource !== undefined) grant.addResourceScope(String(resource), scope);
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  handle = (request, response) => {
    if (request.url?.startsWith("/interaction/") === true) {
      void provider.interactionFinished(request, response, { login: { accountId: user }, consent: {} });
      return;
    }
    if (request.url === "/token") {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => tokenRequests.push(new URLSearchParams(Buffer.concat(chunks).toString())));
    }
    answer(request, response);
  };
  return {
    issuer,
    tokenRequests,
    authorize: followRedirects,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface GrantContext {
  readonly oidc: {
    readonly client: { readonly clientId: string };
    readonly session: { readonly accountId: string };
    readonly params: { readonly resource?: string; readonly scope?: string };
  };
}

async function followRedirects(start: URL): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = start;
  for (let step = 0; step < 10; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const next = response.headers.get("location");
    if (next === null) throw new Error(`${url.pathname} answered ${response.status}: ${await response.text()}`);
    url = new URL(next, url);
    if (url.origin !== start.origin) return url;
  }
  throw new Error("the authorization goes round in circles");
}

vi.mock("cloudflare:workers", async () => {
  const { DurableObject } = await import("../../../simulation/durable-object.ts");
  return { DurableObject, WorkerEntrypoint: DurableObject };
});

const MCP_URL = "http://memory.test/mcp";
const log = createLog({ write: () => undefined });
const API_KEY = "tk_test_api_key_0123456789";
const deployment = { tenant: "acme", apiKey: API_KEY, adminKey: "tk_test_admin_key_0123456789" };

/** What each session's object received, by its full name. */
const told = new Map<string, string[]>();

const sessions = {
  get: ({ tenant, owner, session }: SessionRef) => {
    const name = `${tenant}/${owner}/${session}`;
    return {
      append: async ({ messages }: { messages: { content: string }[] }) => {
        const known = told.get(name) ?? [];
        told.set(name, [...known, ...messages.map(({ content }) => content)]);
        const appended = messages.map((_, at) => ({ id: `m${at}`, seq: known.length + at + 1, created: true }));
        return { ok: true, value: { messages: appended, headSeq: known.length + messages.length } };
      },
      contextJson: async () => {
        const text = (told.get(name) ?? []).join("\n");
        const tokens = { budget: 4_000, used: 1, summary: 0, messages: 1, retrieved: 0 };
        const meta = { sessionId: session, headSeq: 1, atSeq: 1, summaryThroughSeq: 0, summaryPending: false };
        return { ok: true, value: JSON.stringify({ text, meta: { ...meta, omitted: [], tokens } }) };
      },
    };
  },
};

let server: AuthorizationServer;
let ask: (request: Request) => Promise<Response>;
const refused: string[] = [];

beforeAll(async () => {
  server = await startAuthorizationServer("ada", 3_600);
  const { issuer } = server;
  const known = { issuer, tenant: "acme", audience: "authenticated", jwksUrl: `${issuer}/jwks`, anonymousUsers: false };
  const verifyToken = createTokenVerifier({ issuers: [known], keepAlive: () => undefined, log, resourceOf });
  const audit = { record: () => undefined, refuse: ({ action }: { action: string }) => void refused.push(action) };
  const app = createApp({
    authenticate: createAuthenticator({ deployment, verifyToken }),
    limit: async () => undefined,
    costs: NO_COSTS,
    hosts: [],
    corsOrigins: [],
    parts: callWith({ sessions, audit }).parts,
    log,
    readiness: () => Promise.reject(new Error("not asked")),
    readFile: () => Promise.reject(new Error("not asked")),
    mcp: {
      path: MCP_ROUTE,
      requestsIn,
      answer: createMcpSurface(log),
      authorization: {
        paths: METADATA_ROUTES,
        describe: (request) => describeResource(request, [issuer]),
        challenge: challengeOf,
      },
    },
  });
  ask = async (request) => app.fetch(request);
  return () => server.close();
});

/** A client without credentials, which keeps those that it gets. */
class NewClient implements OAuthClientProvider {
  readonly redirectUrl = "http://client.test/callback";
  information: StoredOAuthClientInformation | undefined;
  stored: StoredOAuthTokens | undefined;
  authorizationUrl: URL | undefined;
  #verifier = "";

  get clientMetadata() {
    return {
      client_name: "an agent",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }
  clientInformation = () => this.information;
  saveClientInformation = (information: StoredOAuthClientInformation): void => {
    this.information = information;
  };
  tokens = () => this.stored;
  saveTokens = (tokens: StoredOAuthTokens): void => {
    this.stored = tokens;
  };
  redirectToAuthorization = (url: URL): void => {
    this.authorizationUrl = url;
  };
  saveCodeVerifier = (verifier: string): void => {
    this.#verifier = verifier;
  };
  codeVerifier = () => this.#verifier;
}

const reach = (url: string | URL, init?: RequestInit): Promise<Response> => {
  const request = new Request(url, init);
  return new URL(request.url).host === "memory.test" ? ask(request) : fetch(request);
};

const transportOf = (authProvider: NewClient) =>
  new StreamableHTTPClientTransport(new URL(MCP_URL), { fetch: reach, authProvider });

async function connected(authProvider: NewClient): Promise<Client> {
  const client = new Client({ name: "an agent", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(transportOf(authProvider));
  onTestFinished(() => client.close());
  return client;
}

/** Sends the user to sign in, and returns with a code. @param granted what the user agrees to, if not to everything */
async function signIn(provider: NewClient, granted?: string): Promise<void> {
  await expect(connected(provider)).rejects.toThrow(UnauthorizedError);
  const url = new URL(provider.authorizationUrl ?? "none:");
  if (granted !== undefined) url.searchParams.set("scope", granted);
  const back = await server.authorize(url);
  await transportOf(provider).finishAuth(back.searchParams);
}

describe("an MCP client without a key", () => {
  it("finds its authorization server, registers, signs its user in with PKCE, and gets a token only for this resource", async () => {
    const provider = new NewClient();
    await signIn(provider);
    const asked = provider.authorizationUrl?.searchParams;
    expect(asked?.get("code_challenge_method")).toBe("S256");
    expect(asked?.get("resource")).toBe(MCP_URL);
    expect(asked?.get("scope")?.split(" ")).toEqual(expect.arrayContaining(["memory:read", "memory:write"]));
    expect(provider.information?.client_id).toEqual(expect.any(String));
    expect(decodeJwt(provider.stored?.access_token ?? "")).toMatchObject({
      aud: MCP_URL,
      iss: server.issuer,
      sub: "ada",
    });

    const client = await connected(provider);
    const messages = [{ role: "user", content: "I am Ada." }];
    await client.callTool({ name: "append_messages", arguments: { sessionId: "trip", messages } });
    expect(told.get("acme/ada/trip")).toEqual(["I am Ada."]);
    const context = await client.callTool({ name: "get_context", arguments: { sessionId: "trip" } });
    expect(JSON.stringify(context)).toContain("I am Ada.");
    // The token is bound to /mcp and refused elsewhere.
    const elsewhere = new Request("http://memory.test/v1/sessions", {
      headers: { authorization: `Bearer ${provider.stored?.access_token}` },
    });
    expect((await ask(elsewhere)).status).toBe(401);
  });

  it("has its token refreshed when it expires", async () => {
    const provider = new NewClient();
    await signIn(provider);
    const good = provider.stored;
    if (good === undefined) throw new Error("there is no token");
    provider.stored = { ...good, access_token: `${good.access_token.slice(0, -8)}AAAAAAAA` };
    const client = await connected(provider);
    expect(await client.listTools()).toMatchObject({ tools: expect.any(Array) });
    expect(server.tokenRequests.at(-1)?.get("grant_type")).toBe("refresh_token");
    expect(server.tokenRequests.at(-1)?.get("resource")).toBe(MCP_URL);
    expect(decodeJwt(provider.stored?.access_token ?? "").aud).toBe(MCP_URL);
  });

  it("learns which scope is missing, and what to ask for", async () => {
    const provider = new NewClient();
    await signIn(provider, "memory:read");
    expect(decodeJwt(provider.stored?.access_token ?? "")["scope"]).toBe("memory:read");
    const call = (name: string, args: object) => {
      const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
      const headers = {
        authorization: `Bearer ${provider.stored?.access_token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      };
      return reach(MCP_URL, { method: "POST", headers, body: JSON.stringify(body) });
    };
    expect((await call("get_context", { sessionId: "trip" })).status).toBe(200);
    refused.length = 0;
    const answer = await call("erase_message", { sessionId: "trip", messageId: "m0" });
    expect(answer.status).toBe(403);
    const challenge = answer.headers.get("WWW-Authenticate") ?? "";
    expect(challenge).toContain('error="insufficient_scope"');
    expect(challenge).toContain("memory:erase memory:read");
    expect(challenge).toContain('resource_metadata="http://memory.test/.well-known/oauth-protected-resource/mcp"');
    expect(refused).toEqual(["eraseMessage"]);
    // The client then sends its user to agree to that scope.
    const client = await connected(provider);
    const erase = client.callTool({ name: "erase_message", arguments: { sessionId: "trip", messageId: "m0" } });
    await expect(erase).rejects.toThrow(UnauthorizedError);
    expect(provider.authorizationUrl?.searchParams.get("scope")).toContain("memory:erase");
  });
});

describe("a token for another resource", () => {
  it("is refused, whoever signed it", async () => {
    const provider = new NewClient();
    await expect(connected(provider)).rejects.toThrow(UnauthorizedError);
    const other = new URL(provider.authorizationUrl ?? "none:");
    other.searchParams.set("resource", "http://other.test/mcp");
    const back = await server.authorize(other);
    const form = {
      grant_type: "authorization_code",
      code: back.searchParams.get("code") ?? "",
      redirect_uri: provider.redirectUrl,
      client_id: provider.information?.client_id ?? "",
      code_verifier: provider.codeVerifier(),
      resource: "http://other.test/mcp",
    };
    const answer = await fetch(`${server.issuer}/token`, { method: "POST", body: new URLSearchParams(form) });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    expect(decodeJwt(token).aud).toBe("http://other.test/mcp");
    const shown = await ask(new Request(MCP_URL, { method: "POST", headers: { authorization: `Bearer ${token}` } }));
    expect([shown.status, await shown.json()]).toMatchObject([401, { code: "unauthenticated" }]);
    expect(shown.headers.get("WWW-Authenticate")).toContain('error="invalid_token"');
  });
});

describe("the protected resource", () => {
  it("describes itself next to the resource and at the root, and names who issues tokens", async () => {
    for (const path of METADATA_ROUTES) {
      const answer = await ask(new Request(`http://memory.test${path}`));
      expect(await answer.json(), path).toEqual({
        resource: MCP_URL,
        resource_name: "Threadkeep",
        authorization_servers: [server.issuer],
        scopes_supported: ["memory:read", "memory:write", "memory:erase"],
        bearer_methods_supported: ["header"],
      });
    }
    const nobody = await ask(new Request(MCP_URL, { method: "POST", body: "{}" }));
    expect(nobody.headers.get("WWW-Authenticate")).toBe(
      'Bearer realm="threadkeep", resource_metadata="http://memory.test/.well-known/oauth-protected-resource/mcp", scope="memory:read memory:write memory:erase"',
    );
    const elsewhere = await ask(new Request("http://memory.test/v1/sessions"));
    expect(elsewhere.headers.get("WWW-Authenticate")).toBe('Bearer realm="threadkeep"');
  });

  it("accepts an API key as bearer token, for machines", async () => {
    const client = new Client({ name: "a machine", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
    const headers = { authorization: `Bearer ${API_KEY}` };
    await client.connect(
      new StreamableHTTPClientTransport(new URL(MCP_URL), { fetch: reach, requestInit: { headers } }),
    );
    onTestFinished(() => client.close());
    const messages = [{ role: "user", content: "hello" }];
    await client.callTool({ name: "append_messages", arguments: { sessionId: "job", messages } });
    expect(told.get("acme/-/job")).toEqual(["hello"]);
  });
});
