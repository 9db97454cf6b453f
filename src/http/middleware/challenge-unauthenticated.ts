import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** Adds the header `WWW-Authenticate` to 401 answers, for protocols such as MCP that specify it. */
export function challengeUnauthenticated(challenge: (request: Request) => string) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    await next();
    if (c.res.status === 401) c.header("WWW-Authenticate", challenge(c.req.raw));
  });
}
