import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import type { Log } from "../../telemetry/log.ts";
import { spanOfRequest, type SpanText } from "../../telemetry/span-text.ts";
import { traceIdOf } from "../../telemetry/trace.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Writes one log entry for each request, and describes its span. Both contain the route's template instead of the URL,
 * because a URL contains ids of sessions and messages, and possibly other data in its query.
 */
export function recordRequest(log: Log, describeSpan: (text: SpanText) => void) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const startedAt = performance.now();
    const template = matchedRoutes(c).findLast((route) => !route.path.includes("*"))?.path;
    const route = template?.replace(/:(\w+)/g, "{$1}") ?? null;
    // This comes first, so that the URL in the span is overwritten even if the request fails.
    describeSpan(spanOfRequest(c.req.method, c.req.url, route));
    await next();
    const principal = c.get("principal");
    // Failures of the service are logged as warnings, so that a sample of the log has all of them.
    const level = c.res.status >= 500 ? "warn" : "info";
    log[level]("request", {
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
