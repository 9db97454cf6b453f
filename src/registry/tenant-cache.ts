/** What an isolate remembers of tenants, so that a request seldom waits for a tenant's object and never fails with it. */

import { type TenantSettings, UNSET_TENANT } from "../contracts/tenant.ts";
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
}

export const TENANT_CACHE_LIMITS: TenantCacheLimits = {
  freshMs: 30_000,
  usableMs: 600_000,
  waitMs: 1_000,
  restMs: 5_000,
  lostMs: 10_000,
  tenants: 1_000,
};

export interface TenantCacheOptions {
  /** Asks the tenant's object. Harmless to repeat. */
  readonly load: (tenant: string) => Promise<TenantSettings>;
  /** Lets a call outlive the request that began it. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Told of the first failure in a row, and of its end. */
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly limits?: TenantCacheLimits;
}

export interface TenantCache {
  /** Never rejects: settings must not stop an append. With no usable answer a tenant counts as one that set nothing. */
  read(tenant: string): Promise<TenantSettings>;
  /** Takes in what a change of this isolate's own has answered. */
  keep(tenant: string, settings: TenantSettings): void;
}

interface Call {
  readonly beganAt: number;
  /** Never rejects. */
  ended: Promise<void>;
}

interface Entry {
  answer: { readonly settings: TenantSettings; readonly at: number } | null;
  /** The one under way; what any other brings is dropped. */
  call: Call | null;
  /** When the last call failed, or began that was given up; null if the last one went well. */
  failedAt: number | null;
}

export function createTenantCache(options: TenantCacheOptions): TenantCache {
  const { load, keepAlive, log, now = Date.now, limits = TENANT_CACHE_LIMITS } = options;
  const entries = new Map<string, Entry>();

  /** Puts the tenant last in line to be forgotten. */
  function entryOf(tenant: string): Entry {
    const entry = entries.get(tenant) ?? { answer: null, call: null, failedAt: null };
    entries.delete(tenant);
    entries.set(tenant, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= limits.tenants) break;
      entries.delete(oldest);
    }
    return entry;
  }

  function answerWithin(entry: Entry, maxAgeMs: number): TenantSettings | null {
    return entry.answer !== null && now() - entry.answer.at < maxAgeMs ? entry.answer.settings : null;
  }

  /** The call under way, or else a new one; null while a failed one rests. */
  function callFor(tenant: string, entry: Entry): Call | null {
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

  async function settle(tenant: string, entry: Entry, call: Call): Promise<void> {
    try {
      const settings = await load(tenant);
      if (entry.call !== call) return;
      entry.answer = { settings, at: call.beganAt };
      if (entry.failedAt !== null) log.info("tenant_in_reach", { tenant });
      entry.failedAt = null;
    } catch (error) {
      if (entry.call !== call) return;
      noteFailure(tenant, entry, now(), error);
    }
    entry.call = null;
  }

  function noteFailure(tenant: string, entry: Entry, failedAt: number, error: unknown): void {
    if (entry.failedAt === null) log.warn("tenant_out_of_reach", { tenant, ...errorFields(error) });
    entry.failedAt = failedAt;
  }

  return {
    async read(tenant) {
      const entry = entryOf(tenant);
      const fresh = answerWithin(entry, limits.freshMs);
      if (fresh !== null) return fresh;
      const call = callFor(tenant, entry);
      const stale = answerWithin(entry, limits.usableMs);
      if (stale !== null) return stale;
      if (call !== null) await endOf(call, call.beganAt + limits.waitMs - now());
      return answerWithin(entry, limits.usableMs) ?? UNSET_TENANT;
    },
    keep(tenant, settings) {
      const entry = entryOf(tenant);
      // A call under way may bring what stood before the change.
      entry.call = null;
      // The answers of two changes at once may arrive in either order.
      if (entry.answer === null || settings.rev >= entry.answer.settings.rev) entry.answer = { settings, at: now() };
    },
  };
}

/** Waits for a call, but no longer than so many milliseconds. */
async function endOf(call: Call, atMostMs: number): Promise<void> {
  if (atMostMs <= 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, atMostMs);
  });
  await Promise.race([call.ended, late]);
  clearTimeout(timer);
}
