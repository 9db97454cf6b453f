import { createMiddleware } from "hono/factory";
import { answerUnknownRoute } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses a request whose request line and `Host` make no valid URL, such as `GET *` or `Host: a b`. The runtime passes
 * it on unchanged, and all later code reads the URL.
 */
export const checkAddress = createMiddleware<HttpEnv>(async (c, next) => {
  if (URL.canParse(c.req.url)) return next();
  return answerUnknownRoute(c);
});
