import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** Request headers that a script of an allowed origin may set. */
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
/** Response headers that a script may read, beside the few that are always readable. */
const EXPOSED_HEADERS = [
  "ETag",
  "Location",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "WWW-Authenticate",
  "X-Request-Id",
];
/**
 * How long a browser may cache a preflight. Chromium caches at most two hours; with a shorter time, an origin that was
 * removed from the list stops working sooner.
 */
const PREFLIGHT_SECONDS = 600;

/**
 * Lets scripts of these origins call the API (CORS). Cookies are never used, so a page cannot act in the name of its
 * visitor unless it has a key or token. If no origins are configured, no CORS headers are sent.
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
    // hono/cors would answer every OPTIONS itself. An OPTIONS that is no preflight should get the list of the route's
    // methods.
    const isOurs = origin !== undefined && origins.includes(origin) && (isPreflight || c.req.method !== "OPTIONS");
    if (isOurs) return answer(c, next);
    await next();
    c.header("Vary", "Origin", { append: true });
  });
}
