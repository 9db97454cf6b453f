import type { Fault } from "../../api/errors.ts";
import type { SessionLimits, Taken } from "../../api/quota.ts";
import { createLog } from "../../telemetry/log.ts";
import { createTakenClient, type TakenNamespace, type TellTaken } from "../../tenant/taken-client.ts";
import { hasTenantBound, TenantDays } from "./tenant-days.ts";

/** Shared by the sessions of an isolate. */
const days = new TenantDays(createLog());

/** What the sessions of a tenant may take together in a day, as one session's object sees to it. */
export class TenantQuota {
  readonly #tell: TellTaken;
  readonly #keepAlive: (work: Promise<void>) => void;

  constructor(namespace: () => TakenNamespace, keepAlive: (work: Promise<void>) => void) {
    this.#tell = createTakenClient(namespace);
    this.#keepAlive = keepAlive;
  }

  /** Null as long as the bound of all sessions together is not known to be reached. See `TenantDays`. */
  faultOf(...asked: Parameters<TenantDays["faultOf"]>): Fault | null {
    return days.faultOf(...asked);
  }

  /** Counts what was taken. Called once it has committed; the tenant's object hears of it behind the answer. */
  count(tenant: string, limits: SessionLimits, taken: Taken, now: number): void {
    if (!hasTenantBound(limits) || (taken.messages <= 0 && taken.tokens <= 0)) return;
    days.count(tenant, taken, now);
    const pauseMs = days.tellIn(tenant, limits, now);
    if (pauseMs !== null) this.#keepAlive(this.#tellIn(pauseMs, tenant));
  }

  async #tellIn(pauseMs: number, tenant: string): Promise<void> {
    if (pauseMs > 0) await scheduler.wait(pauseMs);
    await days.tell(tenant, this.#tell, Date.now());
  }
}
