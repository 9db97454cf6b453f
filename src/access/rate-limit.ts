/** How many requests pass at the edge: by principal, by tenant, and by address for those who show nothing that is good. */

import { ThreadkeepError } from "../contracts/errors.ts";
import type { Principal } from "../contracts/principal.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

/** A `ratelimit` binding: it counts in the place that a request came in by, and forgets after its period. */
export interface Limiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** One for each tier; how much a tier lets pass stands in wrangler.toml. */
export interface Limiters {
  /** By person, with a token of their own. */
  readonly user: Limiter;
  /** By key: a back end, which speaks for many people. */
  readonly key: Limiter;
  /** The same, of a tenant of the high tier. */
  readonly keyHigh: Limiter;
  /** By tenant, so that one with many users or keys leaves room for others. */
  readonly tenant: Limiter;
  readonly tenantHigh: Limiter;
  /** By network, for requests that were refused as `unauthenticated`. */
  readonly stranger: Limiter;
}

/** Of every `ratelimit` binding: a caller that went past its tier is let in again after so long at most. */
export const RATE_LIMIT_PERIOD_SECONDS = 10;
/** A limiter counts in memory nearby. One that takes longer is in trouble, and no request waits for that. */
const PATIENCE_MS = 100;

/** Whether one more request passes. Never rejects: a limiter in trouble lets everybody in, and the log is told once. */
export type Admit = (tier: keyof Limiters, key: string) => Promise<boolean>;

/** @param limiters null where the deployment is set to have no limits */
export function createAdmission(limiters: Partial<Limiters> | null, log: Log): Admit {
  const inTrouble = new Set<keyof Limiters>();

  return async (tier, key) => {
    if (limiters === null) return true;
    try {
      const limiter = limiters[tier];
      if (limiter === undefined) throw new Error("the binding is missing: compare wrangler.toml");
      const { success } = await soon(limiter.limit({ key }));
      if (inTrouble.delete(tier)) log.info("rate_limiter_works", { tier });
      return success;
    } catch (error) {
      if (!inTrouble.has(tier)) log.warn("rate_limiter_failed", { tier, ...errorFields(error) });
      inTrouble.add(tier);
      return true;
    }
  };
}

/** Refuses a principal that sends too much, or whose tenant does. Every surface asks it once a request. */
export type LimitRequests = (principal: Principal) => Promise<void>;

/** @param isHigh whether a tenant is of the high tier. Never rejects */
export function createRequestLimit(
  admit: Admit,
  isHigh: (tenant: string) => Promise<boolean> = async () => false,
): LimitRequests {
  return async ({ kind, tenant, id }) => {
    const [key, all] = (await isHigh(tenant)) ? (["keyHigh", "tenantHigh"] as const) : (["key", "tenant"] as const);
    // The tenant's count comes second: what a single caller sends beyond its own tier must not use up its tenant's.
    if (!(await admit(kind === "user" ? "user" : key, `${tenant}/${id}`))) {
      throw rateLimited(kind === "user" ? "this user" : "this key");
    }
    if (!(await admit(all, tenant))) throw rateLimited("this tenant");
  };
}

export function rateLimited(whose: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "rate_limited",
    detail: `There are too many requests of ${whose}. Nothing was done; wait Retry-After seconds, and send fewer at a time.`,
    retryAfterSeconds: RATE_LIMIT_PERIOD_SECONDS,
  });
}

async function soon<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
