import { withTimeout } from "../lib/with-timeout.ts";
import type { Authenticator } from "./authenticate.ts";

/** A tenant's key is looked up in the tenant's object, which may be away: whoever shows one is no admin, and need not wait to hear it. */
const WAIT_MS = 1_000;

/**
 * Tells whether a request shows an admin's key. Guesses go the way of all others: they are counted, and a flood of them is kept out. The
 * admin's key is known without asking anybody, so that it can be told while everything else is away.
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
