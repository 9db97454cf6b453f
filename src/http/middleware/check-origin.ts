import { createMiddleware } from "hono/factory";
import { answerFault } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses what a page of another origin sends, where a protocol asks for that (MCP does, against names that are pointed at this machine).
 * @param origins those that may
 */
export function checkOrigin(origins: readonly string[]) {
  const allowed = new Set(origins);
  return createMiddleware<HttpEnv>(async (c, next) => {
    const origin = c.req.header("Origin");
    if (origin === undefined || allowed.has(origin) || origin === new URL(c.req.url).origin) return next();
    const detail =
      "The header Origin names a page that may not call this. Leave it out where no browser sends it, or list the origin in THREADKEEP_CORS_ORIGINS.";
    return answerFault(c, { code: "wrong_origin", detail });
  });
}
