import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import type { Log } from "../../telemetry/log.ts";
import { traceIdOf } from "../../telemetry/trace.ts";
import type { HttpEnv } from "../env.ts";

/**
 * One log entry for each request. It names the route by its template: a raw URL holds ids of sessions and messages, and a query
 * string may hold anything.
 */
export function recordRequest(log: Log) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const principal = c.get("principal");
    const template = matchedRoutes(c).findLast((route) => !route.path.includes("*"))?.path;
    log.info("request", {
      method: c.req.method,
      route: template?.replace(/:(\w+)/g, "{$1}") ?? "none",
      status: c.res.status,
      durationMs: Math.round(performance.now() - startedAt),
      requestId: c.get("requestId"),
      traceId: traceIdOf(c.get("trace")),
      principalKind: principal?.kind,
      tenant: principal?.tenant,
      code: c.get("problemCode"),
    });
  });
}
