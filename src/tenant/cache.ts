/** What an isolate remembers of tenants, so that a request seldom waits for a tenant's object and never fails with it. */

import { setNewest } from "../lib/lru.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface TenantCacheLimits {
  /** An answer so young serves as it is. */
  readonly freshMs: number;
  /** An older one serves up to this age, while a new one is on its way. */
  readonly usableMs: number;
  /** A caller without a usable answer waits so long, counted from where the call began. */
  readonly waitMs: number;
  /** So long after a failure no call is made, so that an object in trouble is not asked with every request. */
  readonly restMs: number;
  /** A call that runs longer is given up for another: the runtime may have dropped it with the request that began it. */
  readonly lostMs: number;
  /** Tenants remembered at most; those not read for longest go first. */
  readonly tenants: number;
  /** As many more that were only named, by callers who have not proved to belong there: they push no other out. */
  readonly strangers: number;
}

export const TENANT_CACHE_LIMITS: TenantCacheLimits = {
  freshMs: 30_000,
  usableMs: 600_000,
  waitMs: 1_000,
  restMs: 5_000,
  lostMs: 10_000,
  tenants: 1_000,
  strangers: 100,
};

/** Of two answers, that of the higher `rev` is the later one. */
interface Revised {
  readonly rev: number;
}

export interface TenantCacheOptions<A extends Revised> {
  /** Asks the tenant's object. Harmless to repeat. */
  readonly load: (tenant: string) => Promise<A>;
  /** Lets a call outlive the request that began it. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Told of the first failure in a row, and of its end. */
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly limits?: TenantCacheLimits;
}

export interface TenantCache<A extends Revised> {
  /** Never rejects, and seldom waits. Null without a usable answer. Whoever asks vouches that the tenant is one of ours. */
  read(tenant: string): Promise<A | null>;
  /**
   * For what must be sure, and for whom nobody vouches. Never rejects; null without a usable answer.
   * @param maxAgeMs an answer of this age is waited on for a new one, and serves only if none comes
   */
  readRecent(tenant: string, maxAgeMs: number): Promise<A | null>;
  /** The last answer, of any age: for what never changes. */
  recall(tenant: string): A | null;
  /** Takes in what a change of this isolate's own has answered. */
  keep(tenant: string, answer: A): void;
}

interface Call {
  readonly beganAt: number;
  /** Never rejects. */
  ended: Promise<void>;
}

interface Entry<A> {
  answer: { readonly value: A; readonly at: number } | null;
  /** The one under way; what any other brings is dropped. */
  call: Call | null;
  /** When the last call failed, or began that was given up; null if the last one went well. */
  failedAt: number | null;
}

export function createTenantCache<A extends Revised>(options: TenantCacheOptions<A>): TenantCache<A> {
  const { load, keepAlive, log, now = Date.now, limits = TENANT_CACHE_LIMITS } = options;
  const known = new Map<string, Entry<A>>();
  const strangers = new Map<string, Entry<A>>();

  /** Puts the tenant last in line to be forgotten. */
  function entryOf(tenant: string, isKnown: boolean): Entry<A> {
    const entry = known.get(tenant) ?? strangers.get(tenant) ?? { answer: null, call: null, failedAt: null };
    const [entries, most] = isKnown || known.has(tenant) ? [known, limits.tenants] : [strangers, limits.strangers];
    strangers.delete(tenant);
    setNewest(entries, tenant, entry, most);
    return entry;
  }

  function answerWithin(entry: Entry<A>, maxAgeMs: number): A | null {
    return entry.answer !== null && now() - entry.answer.at < maxAgeMs ? entry.answer.value : null;
  }

  /** The call under way, or else a new one; null while a failed one rests. */
  function callFor(tenant: string, entry: Entry<A>): Call | null {
    if (entry.call !== null) {
      if (now() - entry.call.beganAt < limits.lostMs) return entry.call;
      noteFailure(tenant, entry, entry.call.beganAt, new Error(`no answer within ${limits.lostMs} ms`));
    }
    if (entry.failedAt !== null && now() - entry.failedAt < limits.restMs) return null;
    const call: Call = { beganAt: now(), ended: Promise.resolve() };
    entry.call = call;
    call.ended = settle(tenant, entry, call);
    keepAlive(call.ended);
    return call;
  }

  async function settle(tenant: string, entry: Entry<A>, call: Call): Promise<void> {
    try {
      const value = await load(tenant);
      if (entry.call !== call) return;
      entry.answer = { value, at: call.beganAt };
      if (entry.failedAt !== null) log.info("tenant_in_reach", { tenant });
      entry.failedAt = null;
    } catch (error) {
      if (entry.call !== call) return;
      noteFailure(tenant, entry, now(), error);
    }
    entry.call = null;
  }

  function noteFailure(tenant: string, entry: Entry<A>, failedAt: number, error: unknown): void {
    if (entry.failedAt === null) log.warn("tenant_out_of_reach", { tenant, ...errorFields(error) });
    entry.failedAt = failedAt;
  }

  async function readEntry(tenant: string, entry: Entry<A>, maxAgeMs: number): Promise<A | null> {
    const fresh = answerWithin(entry, Math.min(maxAgeMs, limits.freshMs));
    if (fresh !== null) return fresh;
    const call = callFor(tenant, entry);
    const stale = answerWithin(entry, Math.min(maxAgeMs, limits.usableMs));
    if (stale !== null) return stale;
    if (call !== null) await endOf(call, call.beganAt + limits.waitMs - now());
    return answerWithin(entry, limits.usableMs);
  }

  return {
    read: (tenant) => readEntry(tenant, entryOf(tenant, true), limits.usableMs),
    readRecent: (tenant, maxAgeMs) => readEntry(tenant, entryOf(tenant, false), maxAgeMs),
    recall: (tenant) => known.get(tenant)?.answer?.value ?? null,
    keep(tenant, value) {
      const entry = entryOf(tenant, true);
      // A call under way may bring what stood before the change.
      entry.call = null;
      // The answers of two changes at once may arrive in either order.
      if (entry.answer === null || value.rev >= entry.answer.value.rev) entry.answer = { value, at: now() };
    },
  };
}

/** Waits for a call, but no longer than so many milliseconds. */
async function endOf(call: Call, atMostMs: number): Promise<void> {
  if (atMostMs > 0) await withTimeout(call.ended, atMostMs, () => undefined);
}
