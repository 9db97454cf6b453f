import { withTimeout } from "../lib/with-timeout.ts";
import type { Authenticator } from "./authenticate.ts";

/**
 * How long to wait for the tenant's object, which checks a tenant's key. A caller with such a key is no administrator,
 * so the answer need not wait for it.
 */
const WAIT_MS = 1_000;

/**
 * Returns a function that tells whether a request has the administrator's key. It uses the normal authenticator, so
 * guesses are counted and limited like all others. The administrator's key is checked without asking any other
 * component, so this works while they are unreachable.
 */
export function createAdminCheck(authenticate: Authenticator): (request: Request) => Promise<boolean> {
  return async (request) => {
    if (!request.headers.has("Authorization")) return false;
    const isAdmin = authenticate(request).then(
      ({ scopes }) => scopes.includes("admin"),
      () => false,
    );
    return withTimeout(isAdmin, WAIT_MS, () => false);
  };
}
