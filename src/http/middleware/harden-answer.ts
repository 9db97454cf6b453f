import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** The policy of an API answer that is opened as a page: it may load and run nothing. */
const API_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** One year. It does not include subdomains, which may belong to somebody else. */
const HSTS = "max-age=31536000";

/** Adds security headers to every answer. A page's own content security policy is kept. */
export const hardenAnswer = createMiddleware<HttpEnv>(async (c, next) => {
  await next();
  // Hono copies the answer with each `c.header`, because the headers of a finished one may be immutable. One copy will do.
  c.header("X-Content-Type-Options", "nosniff");
  const { headers } = c.res;
  headers.set("Referrer-Policy", "no-referrer");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  // Browsers ignore it on an unencrypted connection, where it could have been removed anyway.
  if (c.req.url.startsWith("https:")) headers.set("Strict-Transport-Security", HSTS);
  if (!headers.has("Content-Security-Policy")) headers.set("Content-Security-Policy", API_CONTENT_SECURITY_POLICY);
  // Text of a chat must not stay in a cache after it was erased.
  if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
});
