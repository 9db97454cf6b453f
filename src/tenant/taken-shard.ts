import { DurableObject } from "cloudflare:workers";
import { DAY_SECONDS, dayName, NOTHING_TAKEN, type Taken } from "../api/quota.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { TakenAnswer, TakenNamespace, TakenReport } from "./taken-client.ts";
import { TenantTaken } from "./taken.ts";

/** How often the tenant's object is told, in ms. With 16 shards it receives at most 16 reports a second. */
const TELL_EVERY_MS = 1_000;
const DAY_MS = DAY_SECONDS * 1_000;

const log = createLog();

/** The sum that this object reported for a day, and what the tenant's object then had from all others. */
interface ToldDay {
  readonly told: Taken;
  readonly others: Taken;
}

/** For whom this object adds up, and its name. Stored for the alarm, which brings neither. */
interface Shard {
  readonly tenant: string;
  readonly name: string;
}

/** The key under which it is stored. */
const SHARD = "shard";

/** The part of the environment that this object uses. */
interface TakenShardEnv {
  readonly TENANT: TakenNamespace;
}

/**
 * Adds up what some of a tenant's isolates report that they used in a day, and reports the sum to the tenant's object,
 * as if it were one isolate. The tenant's object, which also serves keys and settings, so receives few reports, however
 * many isolates there are. Exists only for tenants with a limit for all of their sessions.
 */
export class TakenShard extends DurableObject<TakenShardEnv> {
  readonly #taken: TenantTaken;
  /** By the day's first millisecond. Empty after a restart: reporting again counts nothing twice. */
  readonly #days = new Map<number, ToldDay>();
  #triedAt = 0;

  constructor(ctx: DurableObjectState, env: TakenShardEnv) {
    super(ctx, env);
    this.#taken = new TenantTaken(ctx.storage.sql);
  }

  /**
   * Records an isolate's report of what its sessions used on a day. Idempotent.
   * @param name the name of this object, under which it reports to that of the tenant
   */
  async noteTaken(report: TakenReport, tenant: string, name: string): Promise<TakenAnswer> {
    const { day } = report;
    // Both of the same moment: their difference is what others of this object's isolates reported.
    const { told, total } = this.ctx.storage.transactionSync(() => {
      if (this.#shard() === undefined) this.ctx.storage.kv.put<Shard>(SHARD, { tenant, name });
      return this.#taken.note(report);
    });
    if (Date.now() - this.#triedAt >= TELL_EVERY_MS) await this.#tellTenant(tenant, name, [day]);
    if (this.#isUntold(day)) await this.#tellLater();
    const others = this.#days.get(day)?.others ?? NOTHING_TAKEN;
    return { total: plus(total, others), told };
  }

  /** Reports what the last report of an isolate was too soon for. */
  override async alarm(): Promise<void> {
    const shard = this.#shard();
    if (shard === undefined) return;
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const days = [today - DAY_MS, today].filter((day) => this.#isUntold(day));
    await this.#tellTenant(shard.tenant, shard.name, days);
    if (days.some((day) => this.#isUntold(day))) await this.#tellLater();
  }

  #shard(): Shard | undefined {
    return this.ctx.storage.kv.get<Shard>(SHARD);
  }

  #isUntold(day: number): boolean {
    const { messages, tokens } = this.#taken.on(dayName(day));
    const told = this.#days.get(day)?.told ?? NOTHING_TAKEN;
    return messages > told.messages || tokens > told.tokens;
  }

  /** Never rejects: a failure is logged, and reported again later. */
  async #tellTenant(tenant: string, name: string, days: readonly number[]): Promise<void> {
    this.#triedAt = Date.now();
    try {
      for (const day of days) {
        const report = { teller: name, day, ...this.#taken.on(dayName(day)) };
        const { total, told } = await this.env.TENANT.getByName(tenant).noteTaken(report);
        const others = { messages: total.messages - told.messages, tokens: total.tokens - told.tokens };
        this.#days.set(day, { told, others });
      }
    } catch (error) {
      log.warn("taken_not_told", { tenant, ...errorFields(error) });
    }
  }

  async #tellLater(): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + TELL_EVERY_MS);
  }
}

function plus(one: Taken, other: Taken): Taken {
  return { messages: one.messages + other.messages, tokens: one.tokens + other.tokens };
}
