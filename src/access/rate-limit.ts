/** Rate limits of requests: by principal, by tenant, and by network for callers without a valid credential. */

import { ThreadkeepError } from "../api/errors.ts";
import type { Principal } from "../api/principal.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

/** A `ratelimit` binding. It counts within one Cloudflare location, over a fixed period. */
export interface Limiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** The rate limiters. wrangler.toml sets the limit of each. */
export interface Limiters {
  /** By user: requests with a user's token or a ticket. */
  readonly user: Limiter;
  /** By key: a back end, which acts for many users. */
  readonly key: Limiter;
  /** By key, for a tenant with the request tier `high`. */
  readonly keyHigh: Limiter;
  /** By tenant, so that a tenant with many users or keys does not use up the capacity of others. */
  readonly tenant: Limiter;
  /** By tenant, with the request tier `high`. */
  readonly tenantHigh: Limiter;
  /** By network, for requests that were refused as `unauthenticated`. */
  readonly unauthenticated: Limiter;
}

/** The rate limit bindings of wrangler.toml, as the Worker and the session objects get them. */
export interface LimiterEnv {
  readonly RATE_LIMIT_USER: Limiter;
  readonly RATE_LIMIT_KEY: Limiter;
  readonly RATE_LIMIT_KEY_HIGH: Limiter;
  readonly RATE_LIMIT_TENANT: Limiter;
  readonly RATE_LIMIT_TENANT_HIGH: Limiter;
  readonly RATE_LIMIT_UNAUTHENTICATED: Limiter;
}

export function limitersOf(env: LimiterEnv): Limiters {
  return {
    user: env.RATE_LIMIT_USER,
    key: env.RATE_LIMIT_KEY,
    keyHigh: env.RATE_LIMIT_KEY_HIGH,
    tenant: env.RATE_LIMIT_TENANT,
    tenantHigh: env.RATE_LIMIT_TENANT_HIGH,
    unauthenticated: env.RATE_LIMIT_UNAUTHENTICATED,
  };
}

/**
 * The period of every `ratelimit` binding: a caller that exceeded its limit is admitted again after this long at most.
 */
export const RATE_LIMIT_PERIOD_SECONDS = 10;
/** How long to wait for a rate limiter. It counts in memory nearby, so a slower answer means that it is broken. */
const PATIENCE_MS = 100;

/**
 * Whether one more request is admitted. It never rejects: if a limiter fails, the request is admitted, and the first
 * failure is logged.
 */
export type Admit = (tier: keyof Limiters, key: string) => Promise<boolean>;

/**
 * @param limiters null if rate limits are off
 * @param inItsPlace decides when a limiter fails; by default every request is admitted
 */
export function createAdmission(
  limiters: Partial<Limiters> | null,
  log: Log,
  inItsPlace: (tier: keyof Limiters, key: string) => boolean = () => true,
): Admit {
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
      return inItsPlace(tier, key);
    }
  };
}

/**
 * The limits per period that wrangler.toml has by default.
 * @internal Tests go up to it and past it.
 */
export const USUAL_LIMITS: Readonly<Record<keyof Limiters, number>> = {
  user: 100,
  key: 2_000,
  keyHigh: 20_000,
  tenant: 5_000,
  tenantHigh: 50_000,
  unauthenticated: 50,
};

/**
 * Counts requests in memory when a rate limiter fails, for an object that all requests of a session pass through. It
 * applies the default limits.
 */
export function createOwnCount(now: () => number = Date.now): (tier: keyof Limiters, key: string) => boolean {
  const counts = new Map<string, number>();
  let since = 0;
  return (tier, key) => {
    if (now() - since >= RATE_LIMIT_PERIOD_SECONDS * 1_000) {
      since = now();
      counts.clear();
    }
    const count = (counts.get(`${tier}/${key}`) ?? 0) + 1;
    counts.set(`${tier}/${key}`, count);
    return count <= USUAL_LIMITS[tier];
  };
}

/** The group in which a caller's requests are counted within its tenant, and the limit that applies. */
export interface Counted {
  readonly tier: "user" | "key";
  readonly name: string;
}

/**
 * All requests of a user are counted together, whether by token, ticket or socket. A holder of a ticket is always
 * counted as a user, even if a back end issued the ticket: else a page could use up its back end's limit.
 */
export function countedAs({ kind, id, owner, ticket }: Pick<Principal, "kind" | "id" | "owner" | "ticket">): Counted {
  if (kind === "user") return { tier: "user", name: id };
  if (ticket === undefined) return { tier: "key", name: id };
  return { tier: "user", name: owner === TENANT_OWNER ? `ticket:${ticket.id}` : `user:${owner}` };
}

/**
 * Counts one more request.
 * @throws {ThreadkeepError} `rate_limited` if the caller or its tenant exceeds its limit
 */
export type LimitCounted = (tenant: string, counted: Counted, isHigh: boolean) => Promise<void>;

export function createCountedLimit(admit: Admit): LimitCounted {
  return async (tenant, { tier, name }, isHigh) => {
    const [key, all] = isHigh ? (["keyHigh", "tenantHigh"] as const) : (["key", "tenant"] as const);
    // The tenant is counted second: requests that exceed the caller's own limit must not use up the tenant's.
    if (!(await admit(tier === "user" ? "user" : key, `${tenant}/${name}`))) {
      throw rateLimited(tier === "user" ? "this user" : "this key");
    }
    if (!(await admit(all, tenant))) throw rateLimited("this tenant");
  };
}

/**
 * Counts one more request of a principal. Every surface calls it once for each request.
 * @throws {ThreadkeepError} `rate_limited`
 */
export type LimitRequests = (principal: Principal) => Promise<void>;

/** @param isHigh whether a tenant has the request tier `high`; never rejects */
export function createRequestLimit(
  admit: Admit,
  isHigh: (tenant: string) => Promise<boolean> = async () => false,
): LimitRequests {
  const limit = createCountedLimit(admit);
  return async (principal) => limit(principal.tenant, countedAs(principal), await isHigh(principal.tenant));
}

export function rateLimited(whose: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "rate_limited",
    detail: `There are too many requests of ${whose}. Nothing was done; wait Retry-After seconds, and send fewer at a time.`,
    retryAfterSeconds: RATE_LIMIT_PERIOD_SECONDS,
  });
}

function soon<T>(answer: Promise<T>): Promise<T> {
  return withTimeout(answer, PATIENCE_MS, () => {
    throw new Error(`no answer within ${PATIENCE_MS} ms`);
  });
}
