import { createMiddleware } from "hono/factory";
import { answerFault } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses a request under a host name that is not this deployment's. It prevents DNS rebinding against a local service:
 * an attacker's domain that resolves to 127.0.0.1 would be same-origin with it.
 * @param hosts without ports; empty: all names are accepted, as behind Cloudflare, which selects the Worker by name
 */
export function checkHost(hosts: readonly string[]) {
  const names = new Set(hosts);
  return createMiddleware<HttpEnv>(async (c, next) => {
    if (names.size === 0 || names.has(new URL(c.req.url).hostname)) return next();
    return answerFault(c, {
      code: "wrong_host",
      detail: `This service accepts requests only under the names ${[...names].join(", ")}. Use one of these names, or add yours to THREADKEEP_HOSTS.`,
    });
  });
}
