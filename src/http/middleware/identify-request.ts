import { createMiddleware } from "hono/factory";
import { continueTrace } from "../../telemetry/trace.ts";
import type { HttpEnv } from "../env.ts";

/** Letters and signs that are safe in a log line and a header, and no more of them than an id needs. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Gives each request an id, its caller's own if that is sane, and says it in the answer. */
export const identifyRequest = createMiddleware<HttpEnv>(async (c, next) => {
  // Hono runs what is for all paths twice for the path "*", which only a broken client asks for.
  if ("requestId" in c.var) return next();
  const given = c.req.header("X-Request-Id");
  const requestId = given !== undefined && SANE_REQUEST_ID.test(given) ? given : crypto.randomUUID();
  c.set("requestId", requestId);
  c.set("trace", continueTrace(c.req.header("traceparent")));
  await next();
  c.header("X-Request-Id", requestId);
});
