import { createMiddleware } from "hono/factory";
import type { HttpEnv } from "../env.ts";

/** The header with the id that Cloudflare gave the version of the Worker that answers. */
export const VERSION_HEADER = "Threadkeep-Version";

/** Adds the Worker's version to answers, because two versions run during a deploy. Without an id nothing is added. */
export function tellVersion(version: string | undefined) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    await next();
    if (version !== undefined) c.header(VERSION_HEADER, version);
  });
}
