import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import type { Log } from "../../telemetry/log.ts";
import { spanOfRequest, type SpanText } from "../../telemetry/span-text.ts";
import { traceIdOf } from "../../telemetry/trace.ts";
import type { HttpEnv } from "../env.ts";

/**
 * One log entry for each request, and the words of its span. Both name the route by its template: a raw URL holds ids of sessions and
 * messages, and a query string may hold anything.
 */
export function recordRequest(log: Log, describeSpan: (text: SpanText) => void) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const startedAt = performance.now();
    const template = matchedRoutes(c).findLast((route) => !route.path.includes("*"))?.path;
    const route = template?.replace(/:(\w+)/g, "{$1}") ?? null;
    // Before anything can fail: what is never reached would leave the address as it came.
    describeSpan(spanOfRequest(c.req.method, c.req.url, route));
    await next();
    const principal = c.get("principal");
    log.info("request", {
      method: c.req.method,
      route: route ?? "none",
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
