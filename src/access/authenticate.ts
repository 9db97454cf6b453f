import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";
import { TENANT_OWNER, userIdSchema } from "../api/session.ts";
import { createDeploymentKeys, type KeyRing } from "./deployment-keys.ts";
import { decodeHeaderText, HEADER_TEXT } from "./header-text.ts";
import { type KeyParts, parseKey } from "./key-format.ts";

/** What is known of a tenant's key that is good. */
export interface GoodKey {
  readonly scopes: readonly Scope[];
  /** ms since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** Names the user that a tenant's key speaks for. */
export const USER_HEADER = "Threadkeep-User";

/** Header, claims and signature. No key has dots. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Tells who sends a request; throws `unauthenticated`. */
export type Authenticator = (request: Request) => Promise<Principal>;

export interface AuthenticatorOptions {
  readonly deployment: KeyRing;
  /** Null for a tenant's key that is not good. Throws `unavailable` if nobody can tell. Without it no such key is taken. */
  readonly checkKey?: (key: KeyParts) => Promise<GoodKey | null>;
  /** Reads a user's token; throws `unauthenticated`. Without it no token is taken. */
  readonly verifyToken?: (token: string, request: Request) => Promise<Principal>;
}

/**
 * Tells who is calling from `Authorization: Bearer …`. A tenant's key speaks for the tenant's own sessions, or for the user that it
 * names in `Threadkeep-User`: the name of a session is built from this, and never from a body.
 */
export function createAuthenticator({ deployment, checkKey, verifyToken }: AuthenticatorOptions): Authenticator {
  const deploymentKeyOf = createDeploymentKeys(deployment);
  return async (request) => {
    const bearer = bearerOf(request);
    const own = deploymentKeyOf(bearer);
    if (own !== null) return { ...own, owner: ownerNamed(request) };
    const key = parseKey(bearer);
    if (key !== null && checkKey !== undefined) {
      const good = await checkKey(key);
      if (good === null) throw unknownKey();
      const { scopes, expiresAt } = good;
      const { tenant } = key;
      const owner = ownerNamed(request);
      const principal: Principal = { kind: "tenant-key", id: `key:${key.id}`, tenant, owner, scopes };
      return expiresAt === null ? principal : { ...principal, expiresAt };
    }
    if (verifyToken !== undefined && TOKEN.test(bearer)) return verifyToken(bearer, request);
    throw unknownKey();
  };
}

function bearerOf(request: Request): string {
  const header = request.headers.get("Authorization");
  const bearer = /^Bearer +([^\s]+)$/i.exec(header ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  throw new ThreadkeepError({
    code: "unauthenticated",
    detail:
      header === null
        ? 'Send the header "Authorization: Bearer YOUR_API_KEY".'
        : 'The Authorization header must have the form "Bearer YOUR_API_KEY".',
  });
}

function unknownKey(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail:
      "This API key is not known, or no longer good. Check that it is whole, belongs to this deployment, and was not revoked.",
  });
}

/** The owner that a tenant's key, or a page that was signed in by link, speaks for. */
export function ownerNamed(request: Request): string {
  const user = request.headers.get(USER_HEADER);
  if (user === null) return TENANT_OWNER;
  const parsed = userIdSchema.safeParse(decodeHeaderText(user));
  if (parsed.success) return parsed.data;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `The header ${USER_HEADER} names no user. Leave it out for the sessions of the tenant itself. Characters beyond ASCII go as ${HEADER_TEXT}J%C3%BCrgen.`,
    errors: [{ path: USER_HEADER, detail: parsed.error.issues[0]?.message ?? "is not valid" }],
  });
}
