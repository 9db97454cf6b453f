/** What an isolate knows of the days of its sessions' tenants. */

import type { Fault } from "../../api/errors.ts";
import { dayName, NOTHING_TAKEN, type SessionLimits, type Taken } from "../../api/quota.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import type { Log } from "../../telemetry/log.ts";
import type { TellTaken } from "../../tenant/taken-client.ts";
import { tenantQuotaFault } from "./day.ts";
import { SharedDays } from "./shared-days.ts";

/** With 500 isolates a tenant's object gets 100 calls a second, half of what it can take. */
const TELL_EVERY_MS = 5_000;
const MAX_TENANTS = 1_000;

const NAMES = ["messages", "tokens"] as const;

export class TenantDays {
  readonly #days: SharedDays<(typeof NAMES)[number]>;

  constructor(log: Log) {
    this.#days = new SharedDays({
      names: NAMES,
      log,
      holder: "tenant",
      tellEveryMs: TELL_EVERY_MS,
      maxHolders: MAX_TENANTS,
    });
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
    const known = this.#days.most(this.#days.knownToday(tenant, now), today);
    const bounds = boundsOf(limits);
    for (const name of NAMES) {
      const bound = bounds[name];
      if (bound !== null && taken[name] > 0 && known[name] >= bound) return tenantQuotaFault(name, bound, now);
    }
    return null;
  }

  /** Counts what a session of this isolate took. */
  count(tenant: string, { messages, tokens }: Taken, now: number): void {
    this.#days.count(tenant, { messages, tokens }, now);
  }

  /** In how many milliseconds the caller is to tell; null if there is nothing to tell, or another caller will. */
  tellIn(tenant: string, limits: SessionLimits, now: number): number | null {
    return this.#days.tellIn(tenant, boundsOf(limits), now);
  }

  /** Tells a tenant's object what it has not been told. Never rejects. */
  tell(tenant: string, tell: TellTaken, now: number): Promise<void> {
    return this.#days.tell(tenant, tell, now);
  }
}

export function hasTenantBound(limits: SessionLimits): boolean {
  return NAMES.some((name) => boundsOf(limits)[name] !== null);
}

function boundsOf({ tenantMessagesPerDay = null, tenantTokensPerDay = null }: SessionLimits) {
  return { messages: tenantMessagesPerDay, tokens: tenantTokensPerDay };
}
