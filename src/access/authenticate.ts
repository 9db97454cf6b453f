import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";
import { TENANT_OWNER, userIdSchema } from "../api/session.ts";
import { createDeploymentKeys, type KeyRing } from "./deployment-keys.ts";
import { decodeHeaderText, HEADER_TEXT } from "./header-text.ts";
import { type KeyParts, parseKey } from "./key-format.ts";

/** What is known about a valid key of a tenant. */
interface GoodKey {
  readonly scopes: readonly Scope[];
  /** When it expires, in ms since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** The header with which the holder of a tenant's key names the user it acts for. */
export const USER_HEADER = "Threadkeep-User";

/** A JWT: header, claims and signature, separated by dots. Keys contain no dots. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Identifies the sender of a request.
 * @throws {ThreadkeepError} `unauthenticated`
 */
export type Authenticator = (request: Request) => Promise<Principal>;

export interface AuthenticatorOptions {
  readonly deployment: KeyRing;
  /**
   * Returns null if a tenant's key is not valid, and throws `unavailable` if it cannot be checked. If this is left out,
   * tenants' keys are not accepted.
   */
  readonly checkKey?: (key: KeyParts) => Promise<GoodKey | null>;
  /** Verifies a user's token; throws `unauthenticated`. If this is left out, tokens are not accepted. */
  readonly verifyToken?: (token: string, request: Request) => Promise<Principal>;
}

/**
 * Creates the authenticator for `Authorization: Bearer …`. A tenant's key acts for the tenant's own sessions, or for
 * the user named in the header `Threadkeep-User`. The names of sessions are built from the result, never from a request
 * body.
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

/** The owner for whom a tenant's key, or an inspector that was signed in by link, acts. */
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
