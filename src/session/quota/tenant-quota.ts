import type { Fault } from "../../api/errors.ts";
import type { SessionLimits, Taken } from "../../api/quota.ts";
import { createLog } from "../../telemetry/log.ts";
import { createTakenClient, type TakenShardNamespace, type TellTaken } from "../../tenant/taken-client.ts";
import { hasTenantBound, TenantDays } from "./tenant-days.ts";

/** Shared by all sessions of an isolate. */
const days = new TenantDays(createLog());

/** The daily limits that all sessions of a tenant share, as one session object checks them. */
export class TenantQuota {
  readonly #tell: TellTaken;
  readonly #keepAlive: (work: Promise<void>) => void;

  constructor(namespace: () => TakenShardNamespace, keepAlive: (work: Promise<void>) => void) {
    this.#tell = createTakenClient(namespace);
    this.#keepAlive = keepAlive;
  }

  /** Why the request is refused; null as long as no limit is known to be reached. See `TenantDays`. */
  faultOf(...asked: Parameters<TenantDays["faultOf"]>): Fault | null {
    return days.faultOf(...asked);
  }

  /**
   * Counts what was used. Called after the commit. The tenant's object is told after the response, so that no request
   * waits for it.
   */
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
