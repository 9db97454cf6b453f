import { createAuthenticator } from "./authenticate.ts";
import type { KeyRing } from "./deployment-keys.ts";

/** Tells whether a request shows the admin's key. Asks nobody else, so that it can tell while everything else is away. */
export function createAdminCheck(deployment: KeyRing): (request: Request) => Promise<boolean> {
  const authenticate = createAuthenticator({ deployment });
  return async (request) => {
    try {
      return (await authenticate(request)).scopes.includes("admin");
    } catch {
      return false;
    }
  };
}
