import { type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { TokenCount } from "../api/message.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { earliest } from "../lib/retry-policy.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { isLeftOver, JobTraces, JobWaiters, nextWakeAt, soonestIdleAt } from "./outbox/index.ts";
import { countModelTokens, createDayMeasure, type DayMeasure, NOTHING_SPENT, startOfDay } from "./quota/index.ts";
import { SearchIndex } from "./search/index.ts";
import { MIGRATIONS, schemaVersion } from "./sqlite/index.ts";
import { SessionStore } from "./store.ts";
import { Unit, type UnitParts } from "./unit.ts";

/** A disk that failed is seldom back at once. */
const SLICE_REST_MS = 60_000;

const log = createLog();

/**
 * Runs the calls of a session's object. Each gets a unit of work; what it changes commits as a whole or not at all, and the commit does what
 * the change calls for: the search index forgets what is gone, the alarm is set if the object has to wake up earlier, whoever waits for a job
 * that is over is answered, and sockets are told. An object that was never written to has no schema, and reading it leaves it so.
 */
export class Transactions {
  readonly waiters = new JobWaiters();
  readonly #storage: DurableObjectStorage;
  readonly #parts: UnitParts;
  /** When the alarm rings, null if none is set; undefined if a transaction that set it was rolled back. */
  #alarmAt: number | null | undefined;
  /** No slice of an erasure is tried before that. */
  #sliceRestsUntil = 0;
  #committed: () => void = () => undefined;

  constructor(ctx: DurableObjectState, quotas: Omit<UnitParts["quotas"], "measureDay">) {
    this.#storage = ctx.storage;
    const store = new SessionStore(ctx.storage.sql);
    this.#parts = {
      store,
      search: new SearchIndex(ctx.storage),
      traces: new JobTraces(),
      quotas: { ...quotas, measureDay: measureDayOf(store) },
      newId: () => crypto.randomUUID(),
    };
    const version = schemaVersion(ctx.storage.sql);
    if (version === 0) {
      this.#alarmAt = null;
      return;
    }
    if (version < MIGRATIONS.length) this.change(() => store.createSchema());
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      const unit = this.unit();
      // An alarm that failed too often is gone for good: pending work must not wait for the next append.
      const isPending = earliest(store.jobs.nextSendAt(), store.audit.nextSendAt()) !== null;
      const isLeft = unit.row === null || isLeftOver(unit) || store.messages.isErasing();
      if (this.#alarmAt === null && (isPending || isLeft)) this.#setAlarm(nextWakeAt(unit, this.#sliceRestsUntil));
    });
  }

  /** For a call that changes nothing. @param tenant the settings that the caller brought */
  unit(tenant?: TenantSettings): Unit {
    return new Unit(this.#parts, Date.now(), tenant);
  }

  /** Runs in a transaction. Whatever is thrown rolls it back, and what was remembered of it. */
  change<T>(body: (unit: Unit) => T, tenant?: TenantSettings): T {
    const unit = this.unit(tenant);
    const { changes } = unit.store;
    changes.clear();
    let result: T;
    try {
      result = this.#storage.transactionSync(() => {
        const value = body(unit);
        this.#forgetWords(unit);
        this.#armFor(unit);
        return value;
      });
    } catch (error) {
      changes.clear();
      unit.store.forget();
      this.#alarmAt = undefined;
      throw error;
    }
    for (const committed of unit.takeCommitted()) committed();
    this.waiters.wake(changes);
    changes.clear();
    this.#committed();
    return result;
  }

  /** Calls back after each transaction that committed. What is called must not throw: the change stands. */
  onCommit(body: () => void): void {
    this.#committed = body;
  }

  /** An answer to a client that may change something. */
  answer<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return outcomeOf(() => this.change(body, tenant));
  }

  /** An answer that changes nothing needs no transaction: nothing else runs while it is made. */
  read<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return outcomeOf(() => body(this.unit(tenant)));
  }

  /** The same of a session that has to be there. */
  readSession<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return this.read((unit) => {
      unit.requireSession();
      return body(unit);
    }, tenant);
  }

  /**
   * A consumer's call for a job. One for a job that is over, of an earlier epoch or of a session that expired changes nothing.
   * @param gone the answer to that
   */
  forJob<T>(jobId: string, epoch: string, gone: T, body: (unit: Unit) => T): T {
    const known = this.unit();
    const isOver = known.findForJob(epoch) === null || known.store.jobs.byId(jobId) === null;
    return isOver ? gone : this.change(body);
  }

  /** The same of a call that tells what a model took: that counts also where the job is over. */
  forPaidJob<T>(jobId: string, epoch: string, spent: TokenCount, gone: T, body: (unit: Unit) => T): T {
    if (spent === 0) return this.forJob(jobId, epoch, gone, body);
    return this.change((unit) => {
      countModelTokens(unit, spent);
      const isOver = unit.findForJob(epoch) === null || unit.store.jobs.byId(jobId) === null;
      return isOver ? gone : body(unit);
    });
  }

  /** A change after an await, in which other calls may have ended all jobs, and left nothing of the object to write in. */
  changeIfLeft(body: (unit: Unit) => void): void {
    if (this.unit().row !== null) this.change(body);
  }

  /** Leaves the object as if it had never been, if nothing of an erased session is left to be done. */
  async vanishIfDone(): Promise<void> {
    if (isLeftOver(this.unit())) await this.vanish();
  }

  /**
   * Leaves the object as if it had never been, but for what was spent of a day that is bounded: that stays, in numbers alone, until the day
   * is over.
   */
  async vanish(): Promise<void> {
    const { store, now } = this.unit();
    const day = startOfDay(now);
    const spent = store.isCreated ? store.spent.on(day) : NOTHING_SPENT;
    // Takes the alarm along. Deleted by itself before, it would be lost if this failed, and nobody would come back for the rest.
    const gone = this.#storage.deleteAll();
    // Forgotten before anything else can run here: whoever comes next may begin a new epoch.
    this.#alarmAt = null;
    store.forget();
    if (spent !== NOTHING_SPENT) {
      // What is written before the deletion is waited for is committed together with it.
      this.change((unit) => {
        unit.store.createSchema();
        unit.store.spent.add(day, spent);
        unit.store.changes.isRescheduled = true;
      });
    }
    await gone;
  }

  // The alarm: one, with many reasons

  /** The alarm rings: none is set now, and the next change sets it for whatever comes next. */
  rings(): void {
    this.#alarmAt = undefined;
  }

  /** Writes over a slice of what is erased. A failure is tried again after a while, and holds up nothing else. */
  eraseSlice(): void {
    const unit = this.unit();
    if (!unit.store.messages.isErasing() || unit.now < this.#sliceRestsUntil) return;
    try {
      this.change(({ store }) => store.messages.eraseSlice());
    } catch (error) {
      this.#sliceRestsUntil = unit.now + SLICE_REST_MS;
      log.error("erasing_failed", errorFields(error));
    }
  }

  /** An alarm that rings in time is left alone: setting it is billed as a write. One that rings too early looks, and is set again. */
  #armFor(unit: Unit): void {
    const { isRescheduled, isAppended } = unit.store.changes;
    const set = this.#alarmAt;
    if (set === undefined) {
      // Which one stands is not known: it may be an earlier one, for a job that is pending.
      this.#setAlarm(nextWakeAt(unit, this.#sliceRestsUntil));
    } else if (isRescheduled) {
      const at = nextWakeAt(unit, this.#sliceRestsUntil);
      // One that ought to have rung is set anew: it may be lost.
      if (set === null || set <= unit.now || (at !== null && at < set)) this.#setAlarm(at);
    } else if (isAppended) {
      const at = soonestIdleAt(unit);
      if (set === null || (at !== null && at < set)) this.#setAlarm(at);
    }
  }

  #setAlarm(at: number | null): void {
    if (at === null) return;
    this.#alarmAt = at;
    // The storage takes the alarm into the transaction that is open.
    void this.#storage.setAlarm(at);
  }

  // The search index

  #forgetWords({ store, search }: Unit): void {
    const { isLogCleared, edited, erased } = store.changes;
    if (isLogCleared) {
      search.drop();
      return;
    }
    if (erased.size > 0) search.remove([...erased]);
    for (const seq of edited) if (!erased.has(seq)) search.update(seq);
  }
}

function measureDayOf(store: SessionStore): DayMeasure {
  return createDayMeasure(store.messages, {
    earlierOn: (day) => {
      const { messages, messageTokens } = store.spent.on(day);
      return { messages, tokens: messageTokens };
    },
    editedTokensOn: (day) => store.editedTokensOn(day),
  });
}

function outcomeOf<T>(body: () => T): Outcome<T> {
  try {
    return { ok: true, value: body() };
  } catch (error) {
    if (error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
    throw error;
  }
}
