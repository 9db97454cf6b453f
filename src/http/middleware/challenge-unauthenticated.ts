import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** Tells whoever is refused as unknown how to get in, in the words of a protocol that has its own. */
export function challengeUnauthenticated(challenge: (request: Request) => string) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    await next();
    if (c.res.status === 401) c.header("WWW-Authenticate", challenge(c.req.raw));
  });
}
