import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** The id that Cloudflare gave the version of the Worker that answers. */
export const VERSION_HEADER = "Threadkeep-Version";

/** Says on an answer which version made it: while a deploy is under way there are two. Nothing where no id is known. */
export function tellVersion(version: string | undefined) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    await next();
    if (version !== undefined) c.header(VERSION_HEADER, version);
  });
}
