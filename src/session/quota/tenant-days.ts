/** The daily limits that all sessions of a tenant share, as one isolate knows them. */

import type { Fault } from "../../api/errors.ts";
import { dayName, NOTHING_TAKEN, type SessionLimits, type Taken } from "../../api/quota.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import type { Log } from "../../telemetry/log.ts";
import type { TellTaken } from "../../tenant/taken-client.ts";
import { tenantQuotaFault } from "./day.ts";
import { SharedDays } from "./shared-days.ts";

/** With 500 isolates a tenant's object receives 100 reports a second, half of what it can handle. */
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
   * Why the tenant's sessions may use nothing more today; null as long as no limit is known to be reached.
   * @param taken what the request would use
   * @param told the tenant's settings as the caller brought them: their `takenToday` may include reports of other
   *   isolates
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

  /** Counts what a session of this isolate used. */
  count(tenant: string, { messages, tokens }: Taken, now: number): void {
    this.#days.count(tenant, { messages, tokens }, now);
  }

  /** In how many ms the caller has to report; null if there is nothing to report, or if another caller will. */
  tellIn(tenant: string, limits: SessionLimits, now: number): number | null {
    return this.#days.tellIn(tenant, boundsOf(limits), now);
  }

  /** Reports to the tenant's object what it does not know yet. Never rejects. */
  tell(tenant: string, tell: TellTaken, now: number): Promise<void> {
    return this.#days.tell(tenant, tell, now);
  }
}

/** Whether the tenant limits what all of its sessions may use in a day. */
export function hasTenantBound(limits: SessionLimits): boolean {
  return NAMES.some((name) => boundsOf(limits)[name] !== null);
}

function boundsOf({ tenantMessagesPerDay = null, tenantTokensPerDay = null }: SessionLimits) {
  return { messages: tenantMessagesPerDay, tokens: tenantTokensPerDay };
}
