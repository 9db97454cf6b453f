/**
 * Caches in the isolate what tenant objects answered, so that a request seldom waits for a tenant's object and never
 * fails because of it.
 */

import { setNewest } from "../lib/lru.ts";
import { createSingleFlight, endOf, type Flight, type SingleFlight } from "../lib/single-flight.ts";
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
  /** A copy that was read this long ago is used without reading it again, while the tenant's object is unavailable. */
  readonly copyFreshMs: number;
  /** How many tenants are remembered. The least recently read are dropped first. */
  readonly tenants: number;
  /**
   * How many further tenants are remembered that were only named by callers who are not authenticated. They cannot push
   * the others out.
   */
  readonly unauthenticated: number;
}

/** @internal Tests go up to it and past it. */
export const TENANT_CACHE_LIMITS: TenantCacheLimits = {
  freshMs: 30_000,
  usableMs: 600_000,
  waitMs: 1_000,
  restMs: 5_000,
  lostMs: 10_000,
  // With the 30 s for which a location may repeat what it read: less than the minute in which a revoked key stops.
  copyFreshMs: 20_000,
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
  /**
   * Reads the tenant's copy, which may be somewhat older than the object; null if there is none. Called only while the
   * object does not answer. If this is left out, there are no copies.
   */
  readonly loadCopy?: (tenant: string) => Promise<A | null>;
  /** Lets a fetch outlive the request that started it (`ctx.waitUntil`). */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Receives a line for the first failure in a row, and one when that ends. */
  readonly log: Log;
  /** The current time in ms since 1970. */
  readonly now?: () => number;
  readonly limits?: TenantCacheLimits;
}

/** Answers of tenants' objects, cached in the isolate. While an object does not answer, the tenant's copy does. */
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

interface Entry<A> {
  answer: { readonly value: A; readonly at: number } | null;
  readonly fetching: SingleFlight<[], A>;
  /** When the last fetch failed, or when the one started that was given up; null if the last one succeeded. */
  failedAt: number | null;
  /** What reading the copy returned. */
  copy: { readonly value: A | null; readonly at: number } | null;
  readonly copying: SingleFlight<[], A | null>;
  /** When reading the copy last failed; null if it last succeeded. */
  copyFailedAt: number | null;
}

function lostAfter(ms: number): Error {
  return new Error(`no answer within ${ms} ms`);
}

export function createTenantCache<A extends Revised>(options: TenantCacheOptions<A>): TenantCache<A> {
  const { load, loadCopy, keepAlive, log, now = Date.now, limits = TENANT_CACHE_LIMITS } = options;
  const known = new Map<string, Entry<A>>();
  const unauthenticated = new Map<string, Entry<A>>();

  /** The tenant's entry, which becomes the most recently used. */
  function entryOf(tenant: string, isKnown: boolean): Entry<A> {
    const entry = known.get(tenant) ?? unauthenticated.get(tenant) ?? newEntry(tenant);
    const [entries, most] =
      isKnown || known.has(tenant) ? [known, limits.tenants] : [unauthenticated, limits.unauthenticated];
    unauthenticated.delete(tenant);
    setNewest(entries, tenant, entry, most);
    return entry;
  }

  function answerWithin(entry: Entry<A>, maxAgeMs: number): A | null {
    return entry.answer !== null && now() - entry.answer.at < maxAgeMs ? entry.answer.value : null;
  }

  function newEntry(tenant: string): Entry<A> {
    const entry: Entry<A> = {
      answer: null,
      failedAt: null,
      fetching: createSingleFlight({
        call: () => load(tenant),
        lostMs: limits.lostMs,
        keepAlive,
        now,
        onAnswer(value, beganAt) {
          entry.answer = { value, at: beganAt };
          if (entry.failedAt !== null) log.info("tenant_in_reach", { tenant });
          entry.failedAt = null;
        },
        onFailure: (error) => noteFailure(tenant, entry, now(), error),
        onLost: (beganAt) => noteFailure(tenant, entry, beganAt, lostAfter(limits.lostMs)),
      }),
      copy: null,
      copyFailedAt: null,
      copying: createSingleFlight({
        call: async () => (await loadCopy?.(tenant)) ?? null,
        lostMs: limits.lostMs,
        keepAlive,
        now,
        onAnswer(value, beganAt) {
          entry.copy = { value, at: beganAt };
          entry.copyFailedAt = null;
        },
        onFailure: (error) => noteCopyFailure(tenant, entry, now(), error),
        onLost: (beganAt) => noteCopyFailure(tenant, entry, beganAt, lostAfter(limits.lostMs)),
      }),
    };
    return entry;
  }

  /** The running fetch, or a new one; null for a while after a failure. */
  function fetchFor(entry: Entry<A>): Flight<A> | null {
    const running = entry.fetching.running();
    if (running !== null) return running;
    if (entry.failedAt !== null && now() - entry.failedAt < limits.restMs) return null;
    return entry.fetching.begin();
  }

  function noteFailure(tenant: string, entry: Entry<A>, failedAt: number, error: unknown): void {
    if (entry.failedAt === null) log.warn("tenant_out_of_reach", { tenant, ...errorFields(error) });
    entry.failedAt = failedAt;
  }

  function noteCopyFailure(tenant: string, entry: Entry<A>, failedAt: number, error: unknown): void {
    if (entry.copyFailedAt === null) log.warn("tenant_copy_out_of_reach", { tenant, ...errorFields(error) });
    entry.copyFailedAt = failedAt;
  }

  /** The tenant's copy, read again if what is known of it is not fresh; null without a usable one. */
  async function readCopy(entry: Entry<A>): Promise<A | null> {
    const isFresh = entry.copy !== null && now() - entry.copy.at < limits.copyFreshMs;
    const isResting = entry.copyFailedAt !== null && now() - entry.copyFailedAt < limits.restMs;
    if (loadCopy !== undefined && !isFresh && !isResting) {
      const reading = entry.copying.begin();
      await endOf(reading, reading.beganAt + limits.waitMs - now());
    }
    const copy = entry.copy !== null && now() - entry.copy.at < limits.usableMs ? entry.copy.value : null;
    // A copy that is older than what the object answered here is no help: a key that is valid in it may be revoked.
    return copy !== null && copy.rev >= (entry.answer?.value.rev ?? 0) ? copy : null;
  }

  async function readEntry(entry: Entry<A>, maxAgeMs: number): Promise<A | null> {
    const fresh = answerWithin(entry, Math.min(maxAgeMs, limits.freshMs));
    if (fresh !== null) return fresh;
    const fetching = fetchFor(entry);
    const stale = answerWithin(entry, Math.min(maxAgeMs, limits.usableMs));
    if (stale !== null) return stale;
    // Nobody waits for an object that failed before if there is a copy.
    const early = entry.failedAt === null ? null : await readCopy(entry);
    if (early !== null) return early;
    if (fetching !== null) await endOf(fetching, fetching.beganAt + limits.waitMs - now());
    return (
      answerWithin(entry, Math.min(maxAgeMs, limits.usableMs)) ??
      (await readCopy(entry)) ??
      answerWithin(entry, limits.usableMs)
    );
  }

  return {
    read: (tenant) => readEntry(entryOf(tenant, true), limits.usableMs),
    readRecent: (tenant, maxAgeMs) => readEntry(entryOf(tenant, false), maxAgeMs),
    recall: (tenant) => known.get(tenant)?.answer?.value ?? null,
    keep(tenant, value) {
      const entry = entryOf(tenant, true);
      // A running fetch may return the state before the change: its result is ignored.
      entry.fetching.abandon();
      // The answers of two concurrent changes may arrive in either order.
      if (entry.answer === null || value.rev >= entry.answer.value.rev) entry.answer = { value, at: now() };
    },
  };
}
