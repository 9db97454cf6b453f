import { createMiddleware } from "hono/factory";
import { answerUnknownRoute } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";

/**
 * Refuses a request whose line and `Host` make no URL, such as `GET *` or `Host: a b`. The runtime hands it on as it came, and all
 * that follows reads the URL.
 */
export const checkAddress = createMiddleware<HttpEnv>(async (c, next) => {
  if (URL.canParse(c.req.url)) return next();
  return answerUnknownRoute(c);
});
