import { createMiddleware } from "hono/factory";
import type { Principal } from "../../contracts/principal.ts";
import type { HttpEnv } from "../env.ts";

/** Refuses a caller that sends too much, before anything is read or done for it. */
export function limitRequests(limit: (principal: Principal) => Promise<void>) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const principal = c.get("principal");
    if (principal !== undefined) await limit(principal);
    await next();
  });
}
