import { createMiddleware } from "hono/factory";
import { MAX_BODY_BYTES } from "../../contracts/limits.ts";
import type { Principal } from "../../contracts/principal.ts";
import type { HttpEnv } from "../env.ts";

/** What a surface tells of requests, for whoever comes after them. */
export interface Costs {
  /** Bytes that a caller sent, or had made. */
  spend(principal: Principal, bytes: number): void;
  /** That what a caller sent was refused for what it was. */
  refuse(principal: Principal): void;
}

/**
 * What is refused for what was sent. Not those that tell of a state: whether something is there yet, or still, a sound client may ask as often as
 * it likes.
 */
const REFUSALS = new Set([400, 401, 403, 405, 413, 415, 422, 426, 429]);

/**
 * Refuses a caller that sends too much, before anything is read or done for it. Bytes are told of as well: those of a body before it is read,
 * those of an answer once it is made, and a refusal.
 */
export function limitRequests(limit: (principal: Principal) => Promise<void>, costs: Costs) {
  return createMiddleware<HttpEnv>(async (c, next) => {
    const principal = c.get("principal");
    if (principal === undefined) return next();
    costs.spend(principal, announcedBytes(c.req.raw));
    await limit(principal);
    await next();
    costs.spend(principal, c.get("answerLength") ?? 0);
    if (REFUSALS.has(c.res.status)) costs.refuse(principal);
  });
}

/** How long the body will be. One that does not say is taken to be as long as a body may be. */
function announcedBytes({ body, headers }: Request): number {
  if (body === null) return 0;
  const length = Number(headers.get("Content-Length") ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : MAX_BODY_BYTES;
}
