import { existsSync } from "node:fs";
// A local replacement for Supabase Auth: publishes a key, and signs tokens with it that are real except for their
// issuer.
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWK_EC_Private, SignJWT } from "jose";
import { readJsonFile, writePrivateFile } from "./files.ts";
import { LOCAL_TENANT } from "./keys.ts";
import { sendJson, serveOnLoopback } from "./loopback-server.ts";
import { StartError } from "./start-error.ts";

/** The issuer's name, not an address: the port changes with each start, but yesterday's tokens should remain valid. */
const LOCAL_ISSUER = "http://localhost/auth/v1";
/** The claim `aud`. */
const AUDIENCE = "authenticated";
const ALGORITHM = "ES256";

type SigningKey = JWK_EC_Private & { kid: string };

export interface UserTokenOptions {
  /** The claim `sub`. */
  readonly user: string;
  /** From now on; negative for a token that has expired. */
  readonly expiresInSeconds?: number;
  /** Override the claims that Supabase sets. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/**
 * Signs a token for a user of the service whose issuer's key is in this file. Throws if that service was never started.
 */
export async function signUserToken(file: string, options: UserTokenOptions): Promise<string> {
  const key = readKey(file);
  if (key === null) throw new StartError(`There is no ${file} to sign with: start the service once, with npm start.`);
  const at = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: LOCAL_ISSUER,
    aud: AUDIENCE,
    sub: options.user,
    iat: at,
    exp: at + (options.expiresInSeconds ?? 3_600),
    role: AUDIENCE,
    is_anonymous: false,
    ...options.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: "JWT" })
    .sign(await importJWK(key, ALGORITHM));
}

export interface LocalIssuer {
  /** THREADKEEP_JWT_ISSUERS for the Worker that is to trust it. */
  readonly setting: string;
  stop(): Promise<void>;
}

/** Publishes the key in the file, which is generated at the first start. */
export async function startIssuer(file: string): Promise<LocalIssuer> {
  const { d: _secret, ...published } = readKey(file) ?? (await makeKey(file));
  const keys: JWK[] = [published];
  const { url, close } = await serveOnLoopback((_request, response) => sendJson(response, 200, { keys }));
  // It signs tokens for `npm run token`, but has no sign-in page.
  const issuer = { issuer: LOCAL_ISSUER, tenant: LOCAL_TENANT, jwksUrl: `${url}/jwks.json`, oauth: false };
  return {
    setting: JSON.stringify([issuer]),
    stop: close,
  };
}

async function makeKey(file: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: ALGORITHM, use: "sig" };
  writePrivateFile(file, `${JSON.stringify(key, null, 2)}\n`);
  const written = readKey(file);
  if (written === null) throw new Error(`${file} was written and is not there`);
  return written;
}

function readKey(file: string): SigningKey | null {
  const key = readJsonFile(file);
  if (isSigningKey(key)) return key;
  if (!existsSync(file)) return null;
  throw new StartError(
    `${file} is damaged. Delete it: the next start makes another, and older tokens are refused then.`,
  );
}

function isSigningKey(value: unknown): value is SigningKey {
  if (typeof value !== "object" || value === null) return false;
  const has = (name: string) => typeof Reflect.get(value, name) === "string";
  return has("d") && has("x") && has("y") && has("crv") && has("kid") && Reflect.get(value, "kty") === "EC";
}
