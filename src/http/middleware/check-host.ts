import { createMiddleware } from "hono/factory";
import { answerFault } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses a request that came by another name than those of this deployment. On a laptop that is what a page does whose author
 * points a name of his own at 127.0.0.1: to the browser it is then at home here.
 * @param hosts without ports; empty: every name will do, as behind Cloudflare, where the name chose the Worker
 */
export function checkHost(hosts: readonly string[]) {
  const names = new Set(hosts);
  return createMiddleware<HttpEnv>(async (c, next) => {
    if (names.size === 0 || names.has(new URL(c.req.url).hostname)) return next();
    return answerFault(c, {
      code: "wrong_host",
      detail: `This service answers to ${[...names].join(", ")} alone. Use one of these names, or add yours to THREADKEEP_HOSTS.`,
    });
  });
}
