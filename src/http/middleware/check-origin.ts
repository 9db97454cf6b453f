import { createMiddleware } from "hono/factory";
import { answerFault } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses requests from pages of other origins. MCP requires this, against DNS rebinding.
 * @param origins the allowed origins
 */
export function checkOrigin(origins: readonly string[]) {
  const allowed = new Set(origins);
  return createMiddleware<HttpEnv>(async (c, next) => {
    const origin = c.req.header("Origin");
    if (origin === undefined || allowed.has(origin) || origin === new URL(c.req.url).origin) return next();
    const detail =
      "Pages of this origin may not call this service. Leave out the Origin header if the request is not from a browser, or add the origin to THREADKEEP_CORS_ORIGINS.";
    return answerFault(c, { code: "wrong_origin", detail });
  });
}
