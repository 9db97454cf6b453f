import http from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

/** A real authorization server on loopback: discovery, registration, PKCE, resource indicators, refresh. Everybody who comes is signed in. */

const SCOPE = "memory:read memory:write memory:erase";

export interface AuthorizationServer {
  readonly issuer: string;
  /** What a person's browser does with an authorization URL: follows it, cookies and all, to the client's own address. */
  authorize(url: URL): Promise<URL>;
  /** The forms that were posted for tokens. */
  readonly tokenRequests: URLSearchParams[];
  close(): Promise<void>;
}

/** @param user who signs in @param accessTokenSeconds how long an access token is good */
export async function startAuthorizationServer(user: string, accessTokenSeconds: number): Promise<AuthorizationServer> {
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
    // Whoever signs in agrees to what the client asks for.
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
