import { createMiddleware } from "hono/factory";
import { continueTrace } from "../../telemetry/trace.ts";
import type { HttpEnv } from "../env.ts";

/** Characters that are safe in a log line and a header, and at most as many as an id needs. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Gives each request an id, the caller's own if it is valid, and returns it in the answer. */
export const identifyRequest = createMiddleware<HttpEnv>(async (c, next) => {
  // For the path `*`, which only a broken client requests, Hono runs this middleware twice.
  if ("requestId" in c.var) return next();
  const given = c.req.header("X-Request-Id");
  const requestId = given !== undefined && SANE_REQUEST_ID.test(given) ? given : crypto.randomUUID();
  c.set("requestId", requestId);
  c.set("trace", continueTrace(c.req.header("traceparent")));
  await next();
  c.header("X-Request-Id", requestId);
});
