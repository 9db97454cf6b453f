import { createMiddleware } from "hono/factory";
import type { Principal } from "../../api/principal.ts";
import type { HttpEnv } from "../env.ts";

/** Tells who is calling, or refuses. Only OPTIONS passes without: it is answered from the list of routes alone. */
export function authenticateRequest(authenticate: (request: Request) => Promise<Principal>) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    if (c.req.method !== "OPTIONS") c.set("principal", await authenticate(c.req.raw));
    await next();
  });
}
