import { type Fault, type Outcome, ThreadkeepError } from "../contracts/errors.ts";
import { CREATION_GRANT_MS } from "../contracts/limits.ts";
import type { TokenCount } from "../contracts/message.ts";
import type { Metadata, SessionRef } from "../contracts/session.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import { earliest } from "../memory/work.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { revBaseOf } from "./feed.ts";
import { auditAt, expiryAt, idleArchiveAt, idleSummaryAt, soonestIdleAt } from "./idling.ts";
import { JobTraces } from "./job-traces.ts";
import { oweListing } from "./listing.ts";
import { endOfDay, startOfDay } from "./quota.ts";
import type { Copying, JobRow, SessionRow } from "./rows.ts";
import { migrate, MIGRATIONS, schemaVersion } from "./schema.ts";
import { SearchIndex } from "./search-index.ts";
import { type OwnSettings, termsOf } from "./settings.ts";
import { NOTHING_SPENT } from "./spent-store.ts";
import { SessionStore } from "./store.ts";

/** What a session is created with, at its first write. */
export interface Birth {
  readonly ref: SessionRef;
  readonly createdAt: number;
  /** When the directory said that it may be created, by its clock. Without it nobody has asked. */
  readonly grantedAt?: number;
  /** Whether the directory has an entry of an earlier life, which is to say what this one is. */
  readonly isKnown?: boolean;
  readonly metadata?: Metadata;
  readonly settings?: OwnSettings;
}

const HASH_KEY_BYTES = 32;
/** A disk that failed is seldom back at once. */
const SLICE_REST_MS = 60_000;

const log = createLog();

/** A fault that rolls a transaction back on its way out. */
export class Refusal extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.code);
    this.fault = fault;
  }
}

export function newId(): string {
  return crypto.randomUUID();
}

/**
 * What every call of a session's object stands on: its row as it stands, transactions that forget what was read when they are rolled
 * back, its one alarm, and who waits for what. An object that was never written to has no schema, and reading it leaves it so.
 */
export class SessionShell {
  readonly store: SessionStore;
  readonly search: SearchIndex;
  readonly traces = new JobTraces();
  readonly #storage: DurableObjectStorage;
  /** The session's row as it stands; undefined until read. */
  #session: SessionRow | null | undefined;
  /** When the alarm rings, null if none is set; undefined if a transaction that set it was rolled back. */
  #alarmAt: number | null | undefined;
  /** No slice of an erasure is tried before that. */
  #sliceRestsUntil = 0;
  readonly #waiting = new Map<string, Set<() => void>>();
  #committed: () => void = () => undefined;

  constructor(ctx: DurableObjectState) {
    this.#storage = ctx.storage;
    this.store = new SessionStore(ctx.storage.sql);
    this.search = new SearchIndex(ctx.storage);
    const version = schemaVersion(ctx.storage.sql);
    if (version === 0) {
      this.#session = null;
      this.#alarmAt = null;
      return;
    }
    if (version < MIGRATIONS.length) this.transact(() => migrate(ctx.storage.sql));
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      // An alarm that failed too often is gone for good: owed work must not wait for the next append.
      const isOwed = earliest(this.store.jobs.nextSendAt(), this.store.audit.nextSendAt()) !== null;
      const isLeft = this.row() === null || this.isLeftOver() || this.store.messages.isErasing();
      if (this.#alarmAt === null && (isOwed || isLeft)) this.arm();
    });
  }

  /** The session's row, also where the session is erased, expired or not whole. */
  row(): SessionRow | null {
    if (this.#session === undefined) {
      this.#session = schemaVersion(this.#storage.sql) === 0 ? null : this.store.session();
    }
    return this.#session;
  }

  /** The session as clients may know of it: not erased. */
  existing(): SessionRow | null {
    const session = this.row();
    return session === null || session.erasedAt !== null ? null : session;
  }

  /** The session as clients may use it; null if there is none. Refuses one that expired or is not whole yet. */
  usable(): SessionRow | null {
    const session = this.existing();
    if (session !== null && session.expiredAt !== null) throw new Refusal(EXPIRED_SESSION);
    if (session !== null && session.copying !== null) throw new Refusal(UNFINISHED_SESSION);
    return session;
  }

  known(): SessionRow {
    const session = this.usable();
    if (session === null) throw new Refusal(UNKNOWN_SESSION);
    return session;
  }

  /** The session's row, for a consumer that may work on it. */
  live(incarnation: string): SessionRow | null {
    const session = this.existing();
    return session === null || session.expiredAt !== null || session.incarnation !== incarnation ? null : session;
  }

  /** The session is erased, and everybody who had to hear of it has: nothing keeps what is left of the object. */
  isLeftOver(): boolean {
    const session = this.row();
    if (session === null || session.erasedAt === null) return false;
    return !this.store.jobs.isAnyBut("") && this.store.audit.nextSendAt() === null;
  }

  /** A job of this or of an erased life of the session. */
  owed(jobId: string, incarnation: string): JobRow | null {
    const job = this.row() === null ? null : this.store.jobs.byId(jobId);
    return job !== null && job.incarnation === incarnation ? job : null;
  }

  /** Notes that the directory's word reached this life, also where it comes to nothing: its entry then belongs to this one. */
  heed({ grantedAt = 0 }: Birth): void {
    const session = this.existing();
    if (session === null || session.grantedAt >= grantedAt) return;
    this.store.setGrantedAt(grantedAt);
    this.forgetRow();
  }

  /** Begins a life of the session. */
  create(birth: Birth, copying: Copying | null = null, tenant?: TenantSettings): SessionRow {
    const now = Date.now();
    // By then the user may have been erased, and nobody looks here any more.
    if (birth.grantedAt !== undefined && now - birth.grantedAt > CREATION_GRANT_MS) throw new Refusal(SLOW_CREATION);
    migrate(this.#storage.sql);
    const erased = this.store.session();
    // Of two lives the archive takes the one that began later for the last; clocks may differ.
    const beganAt = erased === null ? now : Math.max(now, erased.beganAt + 1);
    this.store.insertSession({
      ...birth.ref,
      incarnation: newId(),
      hashKey: crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)),
      metadata: birth.metadata ?? {},
      settings: birth.settings ?? {},
      createdAt: birth.createdAt,
      beganAt,
      grantedAt: birth.grantedAt ?? 0,
      begunBy: birth.grantedAt ?? 0,
      tenantRev: tenant?.rev ?? 0,
      tenantSettings: tenant === undefined ? {} : termsOf(tenant),
      copying,
      revBase: revBaseOf(beganAt),
    });
    this.forgetRow();
    const session = this.existing();
    if (session === null) throw new Error("a session that was just created is not there");
    if (birth.isKnown === true && copying?.kind !== "import") oweListing(this.store, session, newId, now);
    return session;
  }

  /** The session with its tenant's settings as of now, kept if they are news: the alarm needs them when nobody calls. */
  hear(session: SessionRow, tenant: TenantSettings | undefined): SessionRow {
    if (tenant === undefined || tenant.rev <= session.tenantRev) return session;
    this.store.setTenantSettings(tenant.rev, termsOf(tenant));
    this.forgetRow();
    return this.row() ?? session;
  }

  /** What was read of the session may be old. */
  forgetRow(): void {
    this.#session = undefined;
  }

  /** What was read of the session may be old, and there may be new work. */
  changed(): void {
    this.forgetRow();
    this.arm();
  }

  /**
   * The object is as if it had never been, but for what was spent of a day that is bounded: that stays, in numbers alone, until the
   * day is over.
   */
  async vanish(): Promise<void> {
    const day = startOfDay(Date.now());
    const spent = this.#hasSchema() ? this.store.spent.on(day) : NOTHING_SPENT;
    // Takes the alarm along. Deleted by itself before, it would be lost if this failed, and nobody would come back for the rest.
    const gone = this.#storage.deleteAll();
    // Forgotten before anything else can run here: whoever comes next may begin a new life.
    this.#session = undefined;
    this.#alarmAt = null;
    this.store.forget();
    if (spent !== NOTHING_SPENT) {
      // What is written before the deletion is waited for is committed together with it.
      this.transact(() => {
        migrate(this.#storage.sql);
        this.store.spent.add(day, spent);
        this.arm();
      });
    }
    await gone;
  }

  /**
   * Counts what models took of the day for this session, whatever became of the job: it is paid. Called in a transaction. A life that is
   * over counts as long as its day is kept.
   */
  spend(summarizerTokens: TokenCount, now: number): void {
    if (summarizerTokens === 0 || !this.#hasSchema()) return;
    const day = startOfDay(now);
    const session = this.row();
    const isOver = session === null || session.erasedAt !== null || session.expiredAt !== null;
    if (isOver && this.store.spent.on(day) === NOTHING_SPENT) return;
    this.store.spent.add(day, { summarizerTokens });
  }

  #hasSchema(): boolean {
    return schemaVersion(this.#storage.sql) > 0;
  }

  // The alarm: one, with many reasons

  /** Sets the alarm for the earliest reason. */
  arm(): void {
    this.#setAlarm(this.#nextWake());
  }

  /** After an append: the alarm is set if none or a later one stands, and left alone else, since setting it is billed as a write. */
  armForSilence(session: SessionRow, now: number): void {
    // Which one stands is not known: it may be an earlier one, of work that is owed.
    if (this.#alarmAt === undefined) {
      this.arm();
      return;
    }
    this.#armBy(soonestIdleAt(this.store, session, now));
  }

  /** After a lease: it may end before the moment at which the job was to be sent again, and seldom does. */
  armForLease(): void {
    if (this.#alarmAt === undefined) this.arm();
    else this.#armBy(this.store.jobs.nextSendAt());
  }

  /** Leaves an alarm alone that rings in time. */
  #armBy(at: number | null): void {
    if (at !== null && (this.#alarmAt === null || this.#alarmAt === undefined || this.#alarmAt > at))
      this.#setAlarm(at);
  }

  /** The alarm rings: none is set now. */
  rings(): void {
    this.#alarmAt = null;
  }

  #nextWake(): number | null {
    const session = this.row();
    if (session === null) return this.#dayKeptUntil();
    // Whoever took the last job off may have been broken off before the object was emptied.
    if (this.isLeftOver()) return Date.now();
    const isSilent = session.erasedAt === null && session.expiredAt === null && session.copying === null;
    return earliest(
      this.store.messages.isErasing() ? this.#nextSliceAt() : null,
      this.store.jobs.nextSendAt(),
      this.store.audit.nextSendAt(),
      session.copying?.kind === "import" ? session.copying.until : null,
      isSilent ? idleSummaryAt(this.store, session) : null,
      isSilent ? idleArchiveAt(this.store, session) : null,
      isSilent ? auditAt(this.store, session) : null,
      isSilent && !this.store.jobs.isOwed("expire") ? expiryAt(this.store, session) : null,
    );
  }

  /** At once, unless the last slice of an erasure failed. */
  #nextSliceAt(): number {
    return Math.max(Date.now(), this.#sliceRestsUntil);
  }

  /** Writes over a slice of what is erased. A failure is tried again after a while, and holds up nothing else. */
  eraseSlice(): void {
    if (Date.now() < this.#sliceRestsUntil) return;
    try {
      this.transact(() => this.store.messages.eraseSlice());
    } catch (error) {
      this.#sliceRestsUntil = Date.now() + SLICE_REST_MS;
      log.error("erasing_failed", errorFields(error));
    }
  }

  /** When the count of a day goes that is all there is left; null if none is. */
  #dayKeptUntil(): number | null {
    const day = this.#hasSchema() ? this.store.spent.lastDay() : null;
    return day === null ? null : endOfDay(day);
  }

  #setAlarm(at: number | null): void {
    if (at === null) return;
    this.#alarmAt = at;
    // The storage takes the alarm into the transaction that is open.
    void this.#storage.setAlarm(at);
  }

  // Transactions

  /** Runs in a transaction; whatever is thrown rolls it back, and what was cached with it. */
  transact<T>(body: () => T): T {
    let result: T;
    try {
      result = this.#storage.transactionSync(body);
    } catch (error) {
      this.store.forget();
      // Nothing is read here: a disk that fails again would leave what is cached as it is.
      this.#session = undefined;
      this.#alarmAt = undefined;
      throw error;
    }
    this.#committed();
    return result;
  }

  /** The same after an await, in which other calls may have done all that was owed, and left nothing of the object to write in. */
  transactIfLeft(body: () => void): void {
    if (this.row() !== null) this.transact(body);
  }

  /** Calls back after each transaction that committed. What is called must not throw: the change stands. */
  onCommit(body: () => void): void {
    this.#committed = body;
  }

  /** An answer to a client that may change something. */
  answer<T>(body: () => T): Outcome<T> {
    return this.read(() => this.transact(body));
  }

  /** An answer that changes nothing needs no transaction: nothing else runs while it is made. */
  read<T>(body: () => T): Outcome<T> {
    try {
      return { ok: true, value: body() };
    } catch (error) {
      if (error instanceof Refusal || error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
      throw error;
    }
  }

  /** A consumer's call: a job that is done, of an earlier life, or of a session that expired, finds nothing owed. */
  work<T>(jobId: string, incarnation: string, gone: T, body: (session: SessionRow) => T): T {
    const session = this.live(incarnation);
    return session === null || this.store.jobs.byId(jobId) === null ? gone : this.transact(() => body(session));
  }

  /** The same of a call that tells what models took: that counts also where nothing is owed any more. */
  paidWork<T>(jobId: string, incarnation: string, spent: TokenCount, gone: T, body: (session: SessionRow) => T): T {
    if (spent === 0) return this.work(jobId, incarnation, gone, body);
    return this.transact(() => {
      this.spend(spent, Date.now());
      const session = this.live(incarnation);
      return session === null || this.store.jobs.byId(jobId) === null ? gone : body(session);
    });
  }

  // Who waits for a job

  settled(jobId: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(jobId) ?? new Set();
      this.#waiting.set(jobId, waiters);
      const finish = (): void => {
        clearTimeout(timer);
        waiters.delete(finish);
        if (waiters.size === 0) this.#waiting.delete(jobId);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      waiters.add(finish);
    });
  }

  wake(jobId: string): void {
    for (const finish of this.#waiting.get(jobId) ?? []) finish();
  }

  wakeAll(): void {
    for (const jobId of this.#waiting.keys()) this.wake(jobId);
  }
}

export const UNKNOWN_SESSION: Fault = {
  code: "session_not_found",
  detail:
    "Append a message or create the session first; ids are case-sensitive. If you know that it exists, it is another user's or tenant's: check the header Threadkeep-User, which may be wrong or missing, and whose key or token this is.",
};
const EXPIRED_SESSION: Fault = {
  code: "session_expired",
  detail:
    "Nobody spoke in it for as long as its settings allow. Create a new session with continueFrom to go on from its summary, or erase this one to use its id anew.",
};
const SLOW_CREATION: Fault = {
  code: "unavailable",
  detail: "It took too long to create the session. Send the same request again after Retry-After seconds.",
  retryAfterSeconds: 1,
};
const UNFINISHED_SESSION: Fault = {
  code: "session_not_ready",
  detail: "It is being copied or imported. Ask again in a moment; reading the session tells when it is whole.",
  retryAfterSeconds: 1,
};
