import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** What an answer of the API may do in a browser that opens it as a page: nothing. */
const API_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** A year. Other names under this one are for their owner to decide. */
const HSTS = "max-age=31536000";

/** Security headers on every answer. A page brings its own content security policy, which stays. */
export const hardenAnswer = createMiddleware<HttpEnv>(async (c, next) => {
  await next();
  c.header("X-Content-Type-Options", "nosniff");
  c.header("Referrer-Policy", "no-referrer");
  c.header("Cross-Origin-Resource-Policy", "same-origin");
  c.header("Cross-Origin-Opener-Policy", "same-origin");
  // Over a plain connection a browser ignores it, and whoever is in between could have left it out.
  if (c.req.url.startsWith("https:")) c.header("Strict-Transport-Security", HSTS);
  const { headers } = c.res;
  if (!headers.has("Content-Security-Policy")) {
    c.header("Content-Security-Policy", API_CONTENT_SECURITY_POLICY);
  }
  // A chat's text must not stay in a cache that outlives its erasure.
  if (!headers.has("Cache-Control")) c.header("Cache-Control", "no-store");
});
