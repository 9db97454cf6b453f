import { createMiddleware } from "hono/factory";
import { MAX_BODY_BYTES } from "../../api/limits.ts";
import type { Principal } from "../../api/principal.ts";
import type { HttpEnv } from "../env.ts";

/** Where the cost of requests is reported, so that the caller's next requests can be paced by it. */
export interface Costs {
  /** Bytes of a body that the caller sent, or of an answer to it. */
  spend(principal: Principal, bytes: number): void;
  /** A request was refused for what it holds. */
  refuse(principal: Principal): void;
}

/** Statuses of requests that a correct client does not repeat. 404, 409 and 410 are not among them: they report a state, which a client may check again. */
const REFUSALS = new Set([400, 401, 403, 405, 413, 415, 422, 426, 429]);

export function isRefusal(status: number): boolean {
  return REFUSALS.has(status);
}

/**
 * Refuses a caller that sends too much, before anything is read or done for it. The cost of the request is reported, too: the bytes of the
 * body before it is read, those of the answer once it is made, and whether it was refused.
 */
export function limitRequests(limit: (principal: Principal) => Promise<void>, costs: Costs) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const principal = c.get("principal");
    if (principal === undefined) return next();
    costs.spend(principal, announcedBytes(c.req.raw));
    await limit(principal);
    await next();
    costs.spend(principal, c.get("answerLength") ?? 0);
    if (isRefusal(c.res.status)) costs.refuse(principal);
  });
}

/** The length that the body announces, in bytes. A body without a length counts as the largest that is allowed. */
function announcedBytes({ body, headers }: Request): number {
  if (body === null) return 0;
  const length = Number(headers.get("Content-Length") ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : MAX_BODY_BYTES;
}
