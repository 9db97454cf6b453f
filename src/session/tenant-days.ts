/**
 * What an isolate knows of the days of its sessions' tenants: how much the sessions of all isolates took, as last told, and what its own
 * took since. An append is checked from that and waits for nothing; the tenant's object is told afterwards, in batches.
 */

import type { Fault } from "../contracts/errors.ts";
import { dayName, NOTHING_TAKEN, type SessionLimits, type Taken } from "../contracts/quota.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import type { TakenAnswer, TellTaken } from "../registry/taken-client.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { startOfDay, tenantQuotaFault } from "./quota.ts";

/** A tenant's object is told so often by an isolate: with 500 of them it gets 100 calls a second, half of what it can take. */
const TELL_EVERY_MS = 5_000;
/** And at once when so much of a bound is untold: 100 such calls a day, however fast a tenant is. */
const TELL_SHARE = 0.01;
/** So long after a failure nothing is told. */
const REST_MS = 5_000;
/** Whoever was to tell may have been evicted meanwhile: so long after that others do. */
const MISSED_MS = 1_000;
/** Tenants remembered. Those heard of longest ago go first. */
const MAX_TENANTS = 1_000;

const NAMES = ["messages", "tokens"] as const;

/** What is known of one day of a tenant. Each count only rises. */
interface Day {
  readonly day: number;
  /** By sessions of this isolate. */
  taken: Taken;
  /** Of that, what is on its way to the tenant's object, and what has arrived there. */
  sent: Taken;
  told: Taken;
  /** By sessions of other isolates, as last told. */
  others: Taken;
}

interface Tenant {
  /** The last one is the newest. Those before have something that is untold. */
  days: Day[];
  calledAt: number;
  /** When somebody will tell. */
  nextAt: number | null;
  failedAt: number | null;
}

export class TenantDays {
  readonly #log: Log;
  readonly #tenants = new Map<string, Tenant>();
  #teller: string | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Why all sessions together take nothing more today; null as long as their bound is not known to be reached.
   * @param taken what is asked for
   * @param told the tenant as the caller brings it: what was taken may have been told from other isolates
   */
  faultOf(
    tenant: string,
    limits: SessionLimits,
    taken: Taken,
    told: Pick<TenantSettings, "takenToday"> | undefined,
    now: number,
  ): Fault | null {
    if (!hasTenantBound(limits)) return null;
    const today = told?.takenToday?.day === dayName(now) ? told.takenToday : NOTHING_TAKEN;
    const known = most(this.#knownToday(tenant, now), today);
    const bounds = boundsOf(limits);
    for (const name of NAMES) {
      const bound = bounds[name];
      if (bound !== null && taken[name] > 0 && known[name] >= bound) return tenantQuotaFault(name, bound, now);
    }
    return null;
  }

  /** What a tenant's sessions took of today at least: never more than they did. */
  #knownToday(tenant: string, now: number): Taken {
    const day = this.#tenants.get(tenant)?.days.at(-1);
    return day === undefined || day.day !== startOfDay(now) ? NOTHING_TAKEN : plus(day.others, day.taken);
  }

  /** Counts what a session of this isolate took. */
  count(tenant: string, taken: Taken, now: number): void {
    const day = this.#dayOf(tenant, now);
    day.taken = plus(day.taken, taken);
  }

  /** In how many milliseconds the caller is to tell; null if there is nothing to tell, or another caller will. */
  tellIn(tenant: string, limits: SessionLimits, now: number): number | null {
    const known = this.#tenants.get(tenant);
    if (known === undefined || !known.days.some(({ taken, sent }) => isLess(sent, taken))) return null;
    const isResting = known.failedAt !== null && now - known.failedAt < REST_MS;
    const isDue = !isResting && (now - known.calledAt >= TELL_EVERY_MS || isMuchUntold(known.days.at(-1), limits));
    if (!isDue && known.nextAt !== null && now < known.nextAt + MISSED_MS) return null;
    const at = isDue ? now : Math.max(known.calledAt + TELL_EVERY_MS, (known.failedAt ?? 0) + REST_MS);
    known.nextAt = at;
    return at - now;
  }

  /** Tells a tenant's object what it has not been told. Never rejects. */
  async tell(tenant: string, tell: TellTaken, now: number): Promise<void> {
    const known = this.#tenants.get(tenant);
    if (known === undefined) return;
    known.nextAt = null;
    known.calledAt = now;
    // Not when the module is loaded: nothing is random then.
    const teller = (this.#teller ??= crypto.randomUUID());
    const untold = known.days.filter(({ taken, sent }) => isLess(sent, taken));
    for (const day of untold) day.sent = day.taken;
    try {
      for (const day of untold) heard(day, await tell(tenant, { teller, day: day.day, ...day.sent }));
      if (known.failedAt !== null) this.#log.info("taken_told_again", { tenant });
      known.failedAt = null;
    } catch (error) {
      if (known.failedAt === null) this.#log.warn("taken_not_told", { tenant, ...errorFields(error) });
      known.failedAt = now;
      for (const day of untold) day.sent = day.told;
    }
    known.days = known.days.filter((day, index) => index === known.days.length - 1 || isLess(day.told, day.taken));
  }

  #dayOf(tenant: string, now: number): Day {
    const known = this.#tenants.get(tenant) ?? { days: [], calledAt: 0, nextAt: null, failedAt: null };
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, known);
    for (const oldest of this.#tenants.keys()) {
      if (this.#tenants.size <= MAX_TENANTS) break;
      this.#tenants.delete(oldest);
    }
    const start = startOfDay(now);
    const last = known.days.at(-1);
    // A clock that is set back goes on with the newest day.
    if (last !== undefined && last.day >= start) return last;
    const day = { day: start, taken: NOTHING_TAKEN, sent: NOTHING_TAKEN, told: NOTHING_TAKEN, others: NOTHING_TAKEN };
    known.days = [...known.days.filter(({ told, taken }) => isLess(told, taken)), day];
    return day;
  }
}

/** Answers may overtake each other. */
function heard(day: Day, { total, told }: TakenAnswer): void {
  day.told = most(day.told, told);
  day.others = most(day.others, { messages: total.messages - told.messages, tokens: total.tokens - told.tokens });
}

function isMuchUntold(day: Day | undefined, limits: SessionLimits): boolean {
  if (day === undefined) return false;
  const bounds = boundsOf(limits);
  return NAMES.some((name) => {
    const bound = bounds[name];
    return bound !== null && day.taken[name] - day.sent[name] >= bound * TELL_SHARE;
  });
}

export function hasTenantBound(limits: SessionLimits): boolean {
  return NAMES.some((name) => boundsOf(limits)[name] !== null);
}

function boundsOf({ tenantMessagesPerDay = null, tenantTokensPerDay = null }: SessionLimits) {
  return { messages: tenantMessagesPerDay, tokens: tenantTokensPerDay };
}

function isLess(one: Taken, other: Taken): boolean {
  return NAMES.some((name) => one[name] < other[name]);
}

function plus(one: Taken, other: Taken): Taken {
  return { messages: one.messages + other.messages, tokens: one.tokens + other.tokens };
}

function most(one: Taken, other: Taken): Taken {
  return { messages: Math.max(one.messages, other.messages), tokens: Math.max(one.tokens, other.tokens) };
}
