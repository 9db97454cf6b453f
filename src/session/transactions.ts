import { type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { TokenCount } from "../api/message.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { earliest } from "../lib/retry-policy.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { isLeftOver, JobTraces, JobWaiters, nextWakeAt, soonestIdleAt } from "./outbox/index.ts";
import {
  countModelTokens,
  createDayMeasure,
  datedLogOf,
  type DayMeasure,
  NOTHING_SPENT,
  startOfDay,
} from "./quota/index.ts";
import { SearchIndex } from "./search/index.ts";
import { SessionStore } from "./store.ts";
import { Unit, type UnitParts } from "./unit.ts";

/** How long to wait after a step of an erasure failed. Storage that failed rarely works again at once. */
const SLICE_REST_MS = 60_000;

const log = createLog();

/**
 * Runs the calls to a session's object. Each call gets a unit of work, and its changes commit as a whole or not at all.
 * The commit also does what the changes require: it removes erased messages from the search index, sets the alarm if
 * the object must wake up earlier, answers callers that wait for a job that ended, and notifies sockets. An object that
 * was never written to has no tables; reading it does not create any.
 */
export class Transactions {
  readonly waiters = new JobWaiters();
  readonly #storage: DurableObjectStorage;
  readonly #parts: UnitParts;
  /**
   * When the alarm is set to ring, in ms since 1970; null if it is not set; undefined if that is not known, because the
   * alarm has just rung or a transaction that set it was rolled back.
   */
  #alarmAt: number | null | undefined;
  /** After a failed step of an erasure: no other step is tried before this time. */
  #sliceRestsUntil = 0;
  /** The callback of `onCommit`. */
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
    if (store.isEmpty) {
      this.#alarmAt = null;
      return;
    }
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      const unit = this.unit();
      // The runtime gives an alarm up after too many failures. Pending work must not then wait for the next append.
      const isPending = earliest(store.jobs.nextSendAt(), store.audit.nextSendAt()) !== null;
      const isLeft = unit.row === null || isLeftOver(unit) || store.erasure.isRunning();
      if (this.#alarmAt === null && (isPending || isLeft)) this.#setAlarm(nextWakeAt(unit, this.#sliceRestsUntil));
    });
  }

  /**
   * A unit for a call that changes nothing.
   * @param tenant the settings that the caller sent along
   */
  unit(tenant?: TenantSettings): Unit {
    this.#parts.store.beginCall();
    return new Unit(this.#parts, Date.now(), tenant);
  }

  /**
   * Runs `body` in a transaction. If it throws, the transaction is rolled back, everything that was cached since is
   * forgotten, and the error is thrown on.
   */
  change<T>(body: (unit: Unit) => T, tenant?: TenantSettings): T {
    const unit = this.unit(tenant);
    const { changes } = unit.store;
    changes.clear();
    let result: T;
    try {
      result = this.#storage.transactionSync(() => {
        const value = body(unit);
        this.#updateSearchIndex(unit);
        this.#armFor(unit);
        return value;
      });
    } catch (error) {
      changes.clear();
      unit.store.forget();
      this.#alarmAt = undefined;
      throw error;
    }
    for (const callback of unit.takeCommitted()) callback();
    this.waiters.wake(changes);
    changes.clear();
    this.#committed();
    return result;
  }

  /** Sets the one callback that runs after each transaction that committed. It must not throw: the change stands. */
  onCommit(body: () => void): void {
    this.#committed = body;
  }

  /**
   * Runs a client's call in a transaction. A `ThreadkeepError` becomes a fault in the returned outcome; any other error
   * is thrown.
   */
  answer<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return outcomeOf(() => this.change(body, tenant));
  }

  /**
   * Runs a client's call that changes nothing. It needs no transaction: `body` is synchronous, so nothing else runs in
   * between.
   */
  read<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return outcomeOf(() => body(this.unit(tenant)));
  }

  /**
   * Does the same as `read`, and returns `session_not_found`, `session_expired` or `session_not_ready` if clients
   * cannot use the session.
   */
  readSession<T>(body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    return this.read((unit) => {
      unit.requireSession();
      return body(unit);
    }, tenant);
  }

  /**
   * Runs a consumer's call for a job in a transaction. If the job is done, the session expired, or another epoch has
   * begun, nothing is changed.
   * @param gone what to return then
   */
  forJob<T>(jobId: string, epoch: string, gone: T, body: (unit: Unit) => T): T {
    return isJobOver(this.unit(), jobId, epoch) ? gone : this.change(body);
  }

  /**
   * Does the same for a call that reports tokens spent on a model. They are counted even if the job is done.
   * @param spent tokens that the model's provider charged
   */
  forPaidJob<T>(jobId: string, epoch: string, spent: TokenCount, gone: T, body: (unit: Unit) => T): T {
    if (spent === 0) return this.forJob(jobId, epoch, gone, body);
    return this.change((unit) => {
      countModelTokens(unit, spent);
      const isOver = isJobOver(unit, jobId, epoch);
      return isOver ? gone : body(unit);
    });
  }

  /**
   * Runs `body` in a transaction unless the object has been emptied. For use after an `await`, during which another
   * call may have emptied it.
   */
  changeIfLeft(body: (unit: Unit) => void): void {
    if (this.unit().row !== null) this.change(body);
  }

  /** Empties the object if its session is erased and no job or audit event of it is pending. */
  async vanishIfDone(): Promise<void> {
    if (isLeftOver(this.unit())) await this.vanish();
  }

  /**
   * Deletes everything in the object, including its schema and alarm. If a daily limit applies, the amounts used today
   * (numbers only) are written again, so that deleting a session does not reset the limit; they are deleted when the
   * day is over.
   */
  async vanish(): Promise<void> {
    const { store, now } = this.unit();
    const day = startOfDay(now);
    const spent = store.spent.on(day);
    // `deleteAll` deletes the alarm as well. If the alarm were deleted separately before, and `deleteAll` then failed,
    // nothing would wake the object up to try again.
    const gone = this.#storage.deleteAll();
    // Before the first await: the next call may begin a new epoch, and must not see cached rows.
    this.#alarmAt = null;
    store.forget();
    if (spent !== NOTHING_SPENT) {
      // Writes made before the deletion is awaited commit together with it.
      this.change((unit) => {
        unit.store.spent.add(day, spent);
        unit.store.changes.isRescheduled = true;
      });
    }
    await gone;
  }

  // The alarm: there is one, for all reasons to wake up

  /** Called when the alarm rings: no alarm is set then, so the next change sets it for whatever is due next. */
  rings(): void {
    this.#alarmAt = undefined;
  }

  /**
   * Overwrites the next part of the messages that are being erased. If that fails, the error is logged and it is tried
   * again after SLICE_REST_MS; the other reasons for the alarm are not affected.
   */
  eraseSlice(): void {
    const unit = this.unit();
    if (!unit.store.erasure.isRunning() || unit.now < this.#sliceRestsUntil) return;
    try {
      this.change(({ store }) => store.messageEraser.eraseSlice());
    } catch (error) {
      this.#sliceRestsUntil = unit.now + SLICE_REST_MS;
      log.error("erasing_failed", errorFields(error));
    }
  }

  /**
   * Sets the alarm if the changes of this transaction require an earlier one. An alarm that is early enough is left
   * alone, because setting it is billed as a write; if it turns out to be too early, the object finds nothing to do and
   * sets it again.
   */
  #armFor(unit: Unit): void {
    const { isRescheduled, isAppended } = unit.store.changes;
    const set = this.#alarmAt;
    if (set === undefined) {
      // It is not known which alarm is set. An alarm for this change alone could replace an earlier one that a pending
      // job needs, so all reasons are considered.
      this.#setAlarm(nextWakeAt(unit, this.#sliceRestsUntil));
    } else if (isRescheduled) {
      const at = nextWakeAt(unit, this.#sliceRestsUntil);
      // An alarm that should have rung already may be lost, so it is set again.
      if (set === null || set <= unit.now || (at !== null && at < set)) this.#setAlarm(at);
    } else if (isAppended) {
      const at = soonestIdleAt(unit);
      if (set === null || (at !== null && at < set)) this.#setAlarm(at);
    }
  }

  #setAlarm(at: number | null): void {
    if (at === null) return;
    this.#alarmAt = at;
    // Not awaited: `setAlarm` takes part in the open transaction, and its failure fails the commit.
    void this.#storage.setAlarm(at);
  }

  // The search index

  #updateSearchIndex({ store, search }: Unit): void {
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
  return createDayMeasure(datedLogOf(store), {
    earlierOn: (day) => {
      const { messages, messageTokens } = store.spent.on(day);
      return { messages, tokens: messageTokens };
    },
    editedTokensOn: (day) => store.editedTokensOn(day),
  });
}

function isJobOver(unit: Unit, jobId: string, epoch: string): boolean {
  return unit.findForJob(epoch) === null || unit.store.jobs.byId(jobId) === null;
}

function outcomeOf<T>(body: () => T): Outcome<T> {
  try {
    return { ok: true, value: body() };
  } catch (error) {
    if (error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
    throw error;
  }
}
