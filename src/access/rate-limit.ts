/** How many requests pass at the edge: by principal, by tenant, and by address for those who show nothing that is good. */

import { ThreadkeepError } from "../api/errors.ts";
import type { Principal } from "../api/principal.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { withTimeout } from "../lib/with-timeout.ts";
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
  readonly unauthenticated: Limiter;
}

/** The bindings of wrangler.toml, as a Worker and the objects of its sessions have them. */
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

/** Of every `ratelimit` binding: a caller that went past its tier is let in again after so long at most. */
export const RATE_LIMIT_PERIOD_SECONDS = 10;
/** A limiter counts in memory nearby. One that takes longer is in trouble, and no request waits for that. */
const PATIENCE_MS = 100;

/** Whether one more request passes. Never rejects: a limiter in trouble lets everybody in, and the log is told once. */
export type Admit = (tier: keyof Limiters, key: string) => Promise<boolean>;

/**
 * @param limiters null where the deployment is set to have no limits
 * @param inItsPlace decides where a limiter is in trouble: by default everybody passes
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

/** What passes in a period where wrangler.toml says nothing else. */
export const USUAL_LIMITS: Readonly<Record<keyof Limiters, number>> = {
  user: 100,
  key: 2_000,
  keyHigh: 20_000,
  tenant: 5_000,
  tenantHigh: 50_000,
  unauthenticated: 50,
};

/** Counts here what a limiter in trouble does not, for whoever has a memory of its own: as much passes as usual. */
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

/** Whose requests are counted together, within a tenant, and in which tier. */
export interface Counted {
  readonly tier: "user" | "key";
  readonly name: string;
}

/**
 * A user's requests are counted together, whichever way they come: by tokens, tickets, sockets. Whoever holds a ticket has a user's tier, whoever
 * asked for it: else a page could use up what its back end may send.
 */
export function countedAs({ kind, id, owner, ticket }: Pick<Principal, "kind" | "id" | "owner" | "ticket">): Counted {
  if (kind === "user") return { tier: "user", name: id };
  if (ticket === undefined) return { tier: "key", name: id };
  return { tier: "user", name: owner === TENANT_OWNER ? `ticket:${ticket.id}` : `user:${owner}` };
}

/** Refuses one more request of whoever sends too much, or whose tenant does. */
export type LimitCounted = (tenant: string, counted: Counted, isHigh: boolean) => Promise<void>;

export function createCountedLimit(admit: Admit): LimitCounted {
  return async (tenant, { tier, name }, isHigh) => {
    const [key, all] = isHigh ? (["keyHigh", "tenantHigh"] as const) : (["key", "tenant"] as const);
    // The tenant's count comes second: what a single caller sends beyond its own tier must not use up its tenant's.
    if (!(await admit(tier === "user" ? "user" : key, `${tenant}/${name}`))) {
      throw rateLimited(tier === "user" ? "this user" : "this key");
    }
    if (!(await admit(all, tenant))) throw rateLimited("this tenant");
  };
}

/** Refuses a principal that sends too much, or whose tenant does. Every surface asks it once a request. */
export type LimitRequests = (principal: Principal) => Promise<void>;

/** @param isHigh whether a tenant is of the high tier. Never rejects */
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
