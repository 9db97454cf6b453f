import { createMiddleware } from "hono/factory";
import type { Principal } from "../../api/principal.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Identifies the caller, or answers 401. OPTIONS needs no credential, because its answer depends only on the list of
 * routes.
 */
export function authenticateRequest(authenticate: (request: Request) => Promise<Principal>) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    if (c.req.method !== "OPTIONS") c.set("principal", await authenticate(c.req.raw));
    await next();
  });
}
