import { createHash, timingSafeEqual } from "node:crypto";
import { ThreadkeepError } from "../contracts/errors.ts";
import type { Principal, Scope } from "../contracts/principal.ts";
import { TENANT_OWNER, userIdSchema } from "../contracts/session.ts";

/** Names the user that a tenant's key speaks for. */
export const USER_HEADER = "Threadkeep-User";

const MEMORY_SCOPES: readonly Scope[] = ["memory:read", "memory:write", "memory:erase"];

export interface KeyRing {
  /** The tenant that the API key belongs to. */
  readonly tenant: string;
  readonly apiKey: string;
  readonly adminKey: string;
}

/** Digests have one length, so that comparing them takes one time, whatever was sent. */
function digest(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/**
 * Tells who is calling from `Authorization: Bearer KEY`. A tenant's key speaks for the tenant's own sessions, or for the user
 * that it names in `Threadkeep-User`: the name of a session is built from this, and never from a body.
 */
export function createAuthenticator(ring: KeyRing): (request: Request) => Principal {
  const apiKey = digest(ring.apiKey);
  const adminKey = digest(ring.adminKey);
  return (request) => {
    const header = request.headers.get("Authorization");
    const key = /^Bearer +([^\s]+)$/i.exec(header ?? "")?.[1];
    if (key === undefined) {
      throw new ThreadkeepError({
        code: "unauthenticated",
        detail:
          header === null
            ? 'Send the header "Authorization: Bearer YOUR_API_KEY".'
            : 'The Authorization header must have the form "Bearer YOUR_API_KEY".',
      });
    }
    const given = digest(key);
    const isAdmin = timingSafeEqual(given, adminKey);
    if (!isAdmin && !timingSafeEqual(given, apiKey)) {
      throw new ThreadkeepError({
        code: "unauthenticated",
        detail: "This API key is not known. Check that it is whole and belongs to this deployment.",
      });
    }
    return {
      kind: isAdmin ? "admin" : "tenant-key",
      tenant: ring.tenant,
      owner: ownerNamed(request),
      scopes: isAdmin ? [...MEMORY_SCOPES, "ops", "admin"] : MEMORY_SCOPES,
    };
  };
}

function ownerNamed(request: Request): string {
  const user = request.headers.get(USER_HEADER);
  if (user === null) return TENANT_OWNER;
  const parsed = userIdSchema.safeParse(user);
  if (parsed.success) return parsed.data;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `The header ${USER_HEADER} names no user.`,
    errors: [{ path: USER_HEADER, detail: parsed.error.issues[0]?.message ?? "is not valid" }],
  });
}
