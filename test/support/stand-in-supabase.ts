import { serveOnLoopback, sendJson } from "../../scripts/dev/loopback-server.ts";
import { TokenIssuer } from "./token-issuer.ts";

const KEY_ID = "of-the-project";

export interface StandInSupabase {
  /** As THREADKEEP_JWT_ISSUERS has it. */
  readonly issuer: string;
  close(): Promise<void>;
}

/** Who may sign in, by the project's publishable key. */
interface Person {
  readonly email: string;
  readonly password: string;
  readonly publishableKey: string;
  /** The claim `sub`. */
  readonly id: string;
}

/** The part of Supabase Auth that signs a person in by password, on loopback: it answers pages of other origins, as the real one does. */
export async function startStandInSupabase(person: Person): Promise<StandInSupabase> {
  const known: { tokens: TokenIssuer | null } = { tokens: null };
  const { url, close } = await serveOnLoopback(async (request, response, body) => {
    const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "apikey, content-type" };
    const { pathname } = new URL(request.url ?? "/", url);
    if (request.method === "OPTIONS") return response.writeHead(204, headers).end();
    if (pathname.endsWith("/jwks.json")) return sendJson(response, 200, { keys: known.tokens?.keys ?? [] }, headers);
    const { email, password } = JSON.parse(body.toString()) as Partial<Person>;
    if (request.headers["apikey"] !== person.publishableKey) {
      return sendJson(response, 401, { message: "Invalid API key" }, headers);
    }
    if (email !== person.email || password !== person.password) {
      return sendJson(response, 400, { code: 400, msg: "Invalid login credentials" }, headers);
    }
    const now = Math.floor(Date.now() / 1_000);
    const token = await known.tokens?.sign(KEY_ID, now, { sub: person.id });
    return sendJson(response, 200, { access_token: token, token_type: "bearer", expires_in: 3_600 }, headers);
  });
  const tokens = new TokenIssuer(`${url}/auth/v1`);
  known.tokens = tokens;
  await tokens.addKey(KEY_ID);
  return { issuer: tokens.issuer, close };
}
