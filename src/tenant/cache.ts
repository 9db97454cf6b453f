/**
 * Caches in the isolate what tenant objects answered, so that a request seldom waits for a tenant's object and never
 * fails because of it.
 */

import { setNewest } from "../lib/lru.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

/** The times (in ms) and sizes of a tenant cache. */
export interface TenantCacheLimits {
  /** An answer younger than this is used as it is. */
  readonly freshMs: number;
  /** An answer up to this age is used while a new one is fetched in the background. */
  readonly usableMs: number;
  /** How long a caller without a usable answer waits, counted from the start of the fetch. */
  readonly waitMs: number;
  /** How long no fetch is made after a failure, so that a failing object is not asked on each request. */
  readonly restMs: number;
  /**
   * A fetch that takes longer is given up, and another one is made: the runtime may have dropped it with the request
   * that started it.
   */
  readonly lostMs: number;
  /** How many tenants are remembered. The least recently read are dropped first. */
  readonly tenants: number;
  /**
   * How many further tenants are remembered that were only named by callers who are not authenticated. They cannot push
   * the others out.
   */
  readonly unauthenticated: number;
}

export const TENANT_CACHE_LIMITS: TenantCacheLimits = {
  freshMs: 30_000,
  usableMs: 600_000,
  waitMs: 1_000,
  restMs: 5_000,
  lostMs: 10_000,
  tenants: 1_000,
  unauthenticated: 100,
};

/** The answer with the higher `rev` is the later one. */
interface Revised {
  readonly rev: number;
}

export interface TenantCacheOptions<A extends Revised> {
  /** Asks the tenant's object. Must be idempotent. */
  readonly load: (tenant: string) => Promise<A>;
  /** Lets a fetch outlive the request that started it (`ctx.waitUntil`). */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Receives a line for the first failure in a row, and one when that ends. */
  readonly log: Log;
  /** The current time in ms since 1970. */
  readonly now?: () => number;
  readonly limits?: TenantCacheLimits;
}

/** Answers of tenants' objects, cached in the isolate. */
export interface TenantCache<A extends Revised> {
  /**
   * The tenant's answer, up to `usableMs` old. Seldom waits, and never rejects; null without a usable answer. Only for
   * tenants that are known to exist.
   */
  read(tenant: string): Promise<A | null>;
  /**
   * The same for decisions that need a recent answer, and for tenants that may not exist. Never rejects; null without a
   * usable answer.
   * @param maxAgeMs an older answer is used only if no newer one arrives in time
   */
  readRecent(tenant: string, maxAgeMs: number): Promise<A | null>;
  /** The last answer, however old, for what never changes; null if there is none. */
  recall(tenant: string): A | null;
  /** Stores the answer to a change that this isolate made. */
  keep(tenant: string, answer: A): void;
}

interface Fetching {
  readonly beganAt: number;
  /** Resolves when the fetch is over. Never rejects. */
  ended: Promise<void>;
}

interface Entry<A> {
  answer: { readonly value: A; readonly at: number } | null;
  /** The fetch that is running; null if none. The result of any other is ignored. */
  fetching: Fetching | null;
  /** When the last fetch failed, or when the one started that was given up; null if the last one succeeded. */
  failedAt: number | null;
}

export function createTenantCache<A extends Revised>(options: TenantCacheOptions<A>): TenantCache<A> {
  const { load, keepAlive, log, now = Date.now, limits = TENANT_CACHE_LIMITS } = options;
  const known = new Map<string, Entry<A>>();
  const unauthenticated = new Map<string, Entry<A>>();

  /** The tenant's entry, which becomes the most recently used. */
  function entryOf(tenant: string, isKnown: boolean): Entry<A> {
    const entry = known.get(tenant) ?? unauthenticated.get(tenant) ?? { answer: null, fetching: null, failedAt: null };
    const [entries, most] =
      isKnown || known.has(tenant) ? [known, limits.tenants] : [unauthenticated, limits.unauthenticated];
    unauthenticated.delete(tenant);
    setNewest(entries, tenant, entry, most);
    return entry;
  }

  function answerWithin(entry: Entry<A>, maxAgeMs: number): A | null {
    return entry.answer !== null && now() - entry.answer.at < maxAgeMs ? entry.answer.value : null;
  }

  /** The running fetch, or a new one; null for a while after a failure. */
  function fetchFor(tenant: string, entry: Entry<A>): Fetching | null {
    if (entry.fetching !== null) {
      if (now() - entry.fetching.beganAt < limits.lostMs) return entry.fetching;
      noteFailure(tenant, entry, entry.fetching.beganAt, new Error(`no answer within ${limits.lostMs} ms`));
    }
    if (entry.failedAt !== null && now() - entry.failedAt < limits.restMs) return null;
    const fetching: Fetching = { beganAt: now(), ended: Promise.resolve() };
    entry.fetching = fetching;
    fetching.ended = settle(tenant, entry, fetching);
    keepAlive(fetching.ended);
    return fetching;
  }

  async function settle(tenant: string, entry: Entry<A>, fetching: Fetching): Promise<void> {
    try {
      const value = await load(tenant);
      if (entry.fetching !== fetching) return;
      entry.answer = { value, at: fetching.beganAt };
      if (entry.failedAt !== null) log.info("tenant_in_reach", { tenant });
      entry.failedAt = null;
    } catch (error) {
      if (entry.fetching !== fetching) return;
      noteFailure(tenant, entry, now(), error);
    }
    entry.fetching = null;
  }

  function noteFailure(tenant: string, entry: Entry<A>, failedAt: number, error: unknown): void {
    if (entry.failedAt === null) log.warn("tenant_out_of_reach", { tenant, ...errorFields(error) });
    entry.failedAt = failedAt;
  }

  async function readEntry(tenant: string, entry: Entry<A>, maxAgeMs: number): Promise<A | null> {
    const fresh = answerWithin(entry, Math.min(maxAgeMs, limits.freshMs));
    if (fresh !== null) return fresh;
    const fetching = fetchFor(tenant, entry);
    const stale = answerWithin(entry, Math.min(maxAgeMs, limits.usableMs));
    if (stale !== null) return stale;
    if (fetching !== null) await endOf(fetching, fetching.beganAt + limits.waitMs - now());
    return answerWithin(entry, limits.usableMs);
  }

  return {
    read: (tenant) => readEntry(tenant, entryOf(tenant, true), limits.usableMs),
    readRecent: (tenant, maxAgeMs) => readEntry(tenant, entryOf(tenant, false), maxAgeMs),
    recall: (tenant) => known.get(tenant)?.answer?.value ?? null,
    keep(tenant, value) {
      const entry = entryOf(tenant, true);
      // A running fetch may return the state before the change: its result is ignored.
      entry.fetching = null;
      // The answers of two concurrent changes may arrive in either order.
      if (entry.answer === null || value.rev >= entry.answer.value.rev) entry.answer = { value, at: now() };
    },
  };
}

/** Waits until a fetch is over, but at most `atMostMs` ms. */
async function endOf(fetching: Fetching, atMostMs: number): Promise<void> {
  if (atMostMs > 0) await withTimeout(fetching.ended, atMostMs, () => undefined);
}
