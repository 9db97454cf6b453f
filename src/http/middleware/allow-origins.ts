import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** What a script may set; a browser sets the rest. */
const ALLOWED_HEADERS = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-None-Match",
  "Last-Event-ID",
  "Mcp-Method",
  "Mcp-Name",
  "Mcp-Protocol-Version",
  "Threadkeep-User",
  "Threadkeep-Strict-Text",
  "X-Request-Id",
];
/** What a script may read besides the few that it always may. */
const EXPOSED_HEADERS = [
  "ETag",
  "Location",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "WWW-Authenticate",
  "X-Request-Id",
];
/** Chromium remembers a preflight no longer than two hours; a shorter time lets an origin that is taken off the list go sooner. */
const PREFLIGHT_SECONDS = 600;

/**
 * Lets scripts of these origins read answers. No cookies are taken, so that a page can do nothing in the name of whoever looks at
 * it: it has to bring a key or token itself. Without an origin in the list there is not a header that speaks of origins.
 */
export function allowOrigins(origins: readonly string[]) {
  const answer = cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: ALLOWED_HEADERS,
    exposeHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  });
  return createMiddleware<HttpEnv>(async (c, next) => {
    if (origins.length === 0) return next();
    const origin = c.req.header("Origin");
    const isPreflight = c.req.method === "OPTIONS" && c.req.header("Access-Control-Request-Method") !== undefined;
    // What is no preflight gets the list of methods that the route offers; hono/cors answers every OPTIONS itself.
    const isOurs = origin !== undefined && origins.includes(origin) && (isPreflight || c.req.method !== "OPTIONS");
    if (isOurs) return answer(c, next);
    await next();
    c.header("Vary", "Origin", { append: true });
  });
}
