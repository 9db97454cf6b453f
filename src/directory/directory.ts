import { DurableObject } from "cloudflare:workers";
import type { Fault, Outcome } from "../api/errors.ts";
import type { OwnerStanding } from "../api/finding.ts";
import type { Metadata, SessionRef } from "../api/session.ts";
import { jurisdictionSchema } from "../api/tenant.ts";
import {
  NOTHING_OF_USER,
  tooManySessions,
  USER_COUNTS,
  type UserAsk,
  type UserBounds,
  userCopyFault,
  userDayFault,
  userQuotaFault,
} from "../api/user-quota.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../api/user.ts";
import { createLateWorkClient, type LateWorkNamespace } from "../control/late-work-client.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { AuditKey } from "./audit-key.ts";
import {
  type CreationGrant,
  DirectoryEntries,
  type DirectoryPage,
  type DirectoryQuery,
  type MetadataChange,
  type Removal,
} from "./entries.ts";
import {
  DirectoryErasure,
  erasedUser,
  type ErasureFailure,
  type ErasureRow,
  type ErasureStep,
  isAtRest,
  jobOf,
  lateErasure,
  type LookedAt,
  toUserErasure,
} from "./erasure.ts";
import { OwnerNote } from "./owner.ts";
import { createOwnersClient } from "./owners-client.ts";
import type { Owners } from "./owners.ts";
import type { UserDayAnswer, UserDayReport } from "./user-day-client.ts";
import { UserDays } from "./user-days.ts";

/** The part of the environment that a directory uses. */
export interface DirectoryEnv {
  readonly ARCHIVE_QUEUE: Queue;
  readonly OWNERS: DurableObjectNamespace<Owners>;
  readonly OPERATIONS: LateWorkNamespace;
}

/** A list of owners that is out of reach is told again after this. */
const OWNER_RETRY_MS = 60_000;

const log = createLog();
/** Shared by the directories of an isolate. */
const lateWork = createLateWorkClient(log);
const inJurisdiction = createJurisdictions(log);

/**
 * Knows every session of one owner, whatever becomes of PostgreSQL. It commits before a session's first append is answered, so
 * that erasure and maintenance, which enumerate by it, miss none. An entry whose session was never written is harmless.
 */
export class Directory extends DurableObject<DirectoryEnv> {
  readonly #entries: DirectoryEntries;
  readonly #auditKey: AuditKey;
  readonly #erasure: DirectoryErasure;
  readonly #owner: OwnerNote;
  readonly #days: UserDays;

  constructor(ctx: DurableObjectState, env: DirectoryEnv) {
    super(ctx, env);
    this.#entries = new DirectoryEntries(ctx.storage.sql);
    this.#auditKey = new AuditKey(ctx.storage);
    this.#erasure = new DirectoryErasure(ctx.storage.sql);
    this.#days = new UserDays(ctx.storage.sql);
    const { data: place } = jurisdictionSchema.safeParse(ctx.id.jurisdiction);
    const owners = createOwnersClient(env.OWNERS, async (all) =>
      place === undefined ? all : inJurisdiction(all, place),
    );
    this.#owner = new OwnerNote(ctx.storage.sql, owners);
    const erasure = this.#entries.isThere ? this.#erasure.row() : null;
    if (erasure === null) return;
    void ctx.blockConcurrencyWhile(async () => {
      // An alarm that failed too often is gone for good, and nobody else would go on with the erasure.
      if ((await ctx.storage.getAlarm()) === null) this.#armAt(erasure.nextSendAt);
    });
  }

  /**
   * Notes a session. Repeated it changes nothing but the word itself. Refuses where the user was erased.
   * @param spent an earlier word that the caller was given, and that nothing more can come of
   * @param byUser what bounds the user, if it is one who creates it
   */
  async register(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    spent: number | null = null,
    byUser: UserAsk | null = null,
  ): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, metadata, false, spent, byUser);
  }

  /** Notes a session that is about to be filled, and that no list shows before it is registered. */
  async announce(ref: SessionRef, createdAt: number, byUser: UserAsk | null = null): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, {}, true, null, byUser);
  }

  /** Charges what a user is to copy, before it is copied. Refuses what there is no room for. */
  async chargeUser(ref: SessionRef, { bounds, copied = NOTHING_OF_USER }: UserAsk): Promise<Outcome<null>> {
    return this.ctx.storage.transactionSync(() => {
      const erasure = this.#entries.isThere ? this.#erasure.row() : null;
      const now = Date.now();
      const taken = this.#days.taken(now);
      const isNew = !this.#entries.isThere || !this.#entries.has(ref.session);
      const fault =
        erasure === null
          ? (userCopyFault(taken, copied, bounds, now) ?? (isNew ? this.#creationFault(bounds, now) : null))
          : erasedUser(erasure);
      if (fault !== null) return { ok: false, fault };
      if (USER_COUNTS.some((name) => copied[name] > 0)) this.#days.charge(copied, now);
      return { ok: true, value: null };
    });
  }

  /** Counts an export that a user takes, before it is read. One of whom nothing is known has nothing to read. */
  async chargeExport({ bounds: { exportsPerDay } }: UserAsk): Promise<Outcome<null>> {
    if (exportsPerDay === null || !this.#entries.isThere) return { ok: true, value: null };
    return this.ctx.storage.transactionSync(() => {
      const now = Date.now();
      if (this.#days.count("exports", now) >= exportsPerDay) {
        return { ok: false, fault: userQuotaFault("exports", exportsPerDay, 0, now) };
      }
      // Of one who was erased nothing is kept.
      if (this.#erasure.row() === null) this.#days.add("exports", now);
      return { ok: true, value: null };
    });
  }

  /** Counts what an isolate tells that the user took. Of one who was erased nothing is kept. */
  async noteTaken({ teller, day, ...sums }: UserDayReport): Promise<UserDayAnswer> {
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { total: sums, told: sums };
    return this.ctx.storage.transactionSync(() => this.#days.note({ teller, day, ...sums }));
  }

  /** Why the user creates no further session; null if nothing is in the way. */
  #creationFault(bounds: UserBounds, now: number): Fault | null {
    const { sessions, sessionsPerDay } = bounds;
    if (sessions !== null && this.#entries.isThere && this.#entries.count(sessions) >= sessions) {
      return tooManySessions(sessions);
    }
    if (sessionsPerDay !== null && this.#days.count("sessions", now) >= sessionsPerDay) {
      return userQuotaFault("sessions", sessionsPerDay, 0, now);
    }
    // Whoever may say nothing more today begins nothing, however many objects have not heard of it yet.
    const anything = { messages: 1, tokens: 1, bytes: 1, summarizerTokens: 0 };
    return userDayFault(this.#days.taken(now), anything, bounds, now);
  }

  #grant(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    isArriving: boolean,
    spent: number | null,
    byUser: UserAsk | null,
  ): Outcome<CreationGrant> {
    return this.#making(() => {
      const now = Date.now();
      const isNew = !this.#entries.isThere || !this.#entries.has(ref.session);
      const fault = byUser === null || !isNew ? null : this.#creationFault(byUser.bounds, now);
      // Of an erased user that is said, whatever else may be.
      if (fault !== null && (!this.#entries.isThere || this.#erasure.row() === null)) return { ok: false, fault };
      this.#entries.make();
      const erasure = this.#erasure.row();
      if (erasure !== null) return { ok: false, fault: erasedUser(erasure) };
      if (this.#owner.schedule(ref, () => crypto.randomUUID())) this.#armAt(now);
      if (byUser !== null && isNew) this.#days.add("sessions", now);
      return { ok: true, value: this.#entries.grant(ref.session, createdAt, metadata, isArriving, spent, now) };
    });
  }

  /** Carries out a change that may make the tables: where it is rolled back they are gone again, and not remembered. */
  #making<T>(change: () => T): T {
    try {
      return this.ctx.storage.transactionSync(change);
    } catch (error) {
      this.#entries.lookAgain();
      throw error;
    }
  }

  /**
   * The entry is of a new epoch: what it says of an earlier one, which nobody took off the list, holds no more. Idempotent.
   * @param grantedAt the word by which the epoch began
   */
  async renew(session: string, metadata: Metadata, grantedAt: number): Promise<void> {
    if (this.#entries.isThere) this.#entries.renew(session, metadata, grantedAt);
  }

  /**
   * Takes a session off the list. Idempotent, and deaf where another word may lead to an epoch of it, or did.
   * @param grantedAt the newest word that the epoch which is gone had heard of; 0 if it is not known
   */
  async remove(session: string, grantedAt: number, isLookedFor = false): Promise<Removal> {
    // The erasure of the user has to ask its object yet, whoever erased it.
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { state: "gone" };
    return this.#entries.remove(session, grantedAt, isLookedFor, Date.now());
  }

  /** The session is there after all, by a word that came late. Idempotent. */
  async relist(session: string, metadata: Metadata): Promise<void> {
    if (this.#entries.isThere) this.#entries.relist(session, metadata);
  }

  /** What was registered by this word is not whole after all. Idempotent; the erasure of its user finds it still. */
  async hide(session: string, grantedAt: number): Promise<void> {
    if (this.#entries.isThere) this.#entries.hide(session, grantedAt);
  }

  /** Of two changes that cross on their way the later one stands. Idempotent. */
  async setMetadata(session: string, metadata: Metadata, change: MetadataChange): Promise<void> {
    if (this.#entries.isThere) this.#entries.setMetadata(session, metadata, change);
  }

  /**
   * Notes that a session expired, or that it did not after all. Idempotent: what was decided before what is known changes nothing, nor
   * does what was decided of an earlier epoch of the session.
   * @param decidedAt ms since 1970, by the clock of the session's object
   * @param grantedAt the newest word that the epoch of which it was decided had heard of
   * @returns false if something is known that was decided later
   */
  async setExpired(session: string, isExpired: boolean, decidedAt: number, grantedAt: number): Promise<boolean> {
    return !this.#entries.isThere || this.#entries.setExpired(session, isExpired, decidedAt, grantedAt);
  }

  /**
   * The name that the audit has for this object's owner: a hash with a key that never leaves the object. Null if the key was
   * destroyed, or if there is none and none may be made.
   */
  async auditName(owner: string, mayMakeKey: boolean): Promise<string | null> {
    // A late event of a user who was erased brings no key back.
    const isErased = this.#entries.isThere && this.#erasure.row() !== null;
    return this.#auditKey.nameOf(owner, mayMakeKey && !isErased);
  }

  /** Destroys the key, for good: nobody can tell any more which events of the audit are the owner's. Idempotent. */
  async forgetAuditKey(): Promise<void> {
    this.#auditKey.destroy();
  }

  /** Newest first; of a user who is erased nothing. `scanEnd` is where a scan stopped that found too little in the rows it may look at; null if it saw all. */
  async list(query: DirectoryQuery): Promise<DirectoryPage> {
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { entries: [], scanEnd: null };
    return this.#entries.list(query);
  }

  // The erasure of the user

  /** From here on nothing is taken in in the user's name, and the alarm drives the rest. Idempotent. */
  async beginErasure(user: UserRef, trace?: string): Promise<UserErasure> {
    return this.#making(() => {
      this.#entries.make();
      if (this.#erasure.row() === null) {
        const now = Date.now();
        this.#erasure.begin(user, crypto.randomUUID(), now, trace);
        this.#armAt(now);
      }
      return this.#report(this.#pending());
    });
  }

  /** The same, and an erasure that is over begins again: something of the user was found since. */
  async beginErasureAgain(user: UserRef): Promise<UserErasure> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.finishedAt === null) return this.beginErasure(user);
    return this.ctx.storage.transactionSync(() => {
      const now = Date.now();
      this.#erasure.beginAgain(row, now);
      this.#armAt(now);
      return this.#report(this.#pending());
    });
  }

  /** What is known here of the owner, and of one session. Reads only. */
  async standing(session: string | null): Promise<OwnerStanding> {
    const hasAuditKey = this.#auditKey.isThere();
    if (!this.#entries.isThere) return { isListed: false, entries: 0, erasure: null, hasAuditKey };
    const row = this.#erasure.row();
    const erasure = row === null ? null : row.finishedAt === null ? "erasing" : "erased";
    const isListed = this.#entries.has(session);
    return { isListed, entries: this.#erasure.entries(), erasure, hasAuditKey };
  }

  /** Null if none is known. Reads only. */
  async readErasure(): Promise<UserErasure | null> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    return row === null ? null : this.#report(row);
  }

  /** What a consumer does next; null if nothing is pending now. The alarm calls it again in time. */
  async nextErasureStep(jobId: string, since: number): Promise<ErasureStep | null> {
    return this.#work(jobId, null, (row) => this.#erasure.next(row, since, Math.random(), Date.now()));
  }

  async noteWiped(jobId: string, sessions: readonly string[]): Promise<void> {
    this.#work(jobId, undefined, (row) => this.#erasure.noteWiped(row, sessions, Date.now()));
  }

  /** @returns how many of them are news, and have to be erased in their objects first */
  async noteFound(jobId: string, sessions: readonly string[]): Promise<number> {
    return this.#work(jobId, 0, (row) => this.#erasure.noteFound(row, sessions, Date.now()));
  }

  async noteLooked(jobId: string, looked: readonly LookedAt[]): Promise<void> {
    this.#work(jobId, undefined, (row) => this.#erasure.noteLooked(row, looked, Date.now()));
  }

  /** @returns what operators are told; null if nothing is pending any more */
  async noteErasureFailure(jobId: string, reason: string): Promise<ErasureFailure | null> {
    return this.#work(jobId, null, (row) => {
      const now = Date.now();
      const { failures, firstError, firstFailedAt } = this.#erasure.noteFailure(row, reason, Math.random(), now);
      return {
        failures,
        gaveUp: false,
        firstError: firstError ?? reason,
        firstFailedAt: firstFailedAt ?? now,
        lastFailedAt: now,
      };
    });
  }

  /** Makes the erasure due now, whatever pause it is in. Idempotent. @returns false if it is no longer pending */
  async retryErasure(jobId: string): Promise<boolean> {
    return this.#work(jobId, false, (row) => {
      const now = Date.now();
      if (isAtRest(row, now)) return false;
      this.#erasure.put({ ...row, nextSendAt: now });
      return true;
    });
  }

  /**
   * Ends the erasure if nothing was found, or goes round again. Found nothing once more when no late write can come, the object is
   * left as if it had never been, and the user may come back.
   * @param found what the other places hold; the directory adds its own
   */
  async concludeErasure(
    jobId: string,
    found: Pick<ErasureFindings, "archive" | "failedJobs">,
  ): Promise<UserErasure["state"]> {
    // Before the erasure is read: nothing may come between that and its end.
    await this.#owner.takeBack();
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.jobId !== jobId) return "erased";
    const now = Date.now();
    // Of two deliveries that looked side by side the first one ended it.
    if (isAtRest(row, now)) return "erased";
    const left = this.#erasure.unconfirmed();
    const all = { checkedAt: new Date(now).toISOString(), sessions: left, directory: left, ...found };
    const isLast = row.finishedAt !== null;
    const concluded = this.#erasure.conclude(row, all, Math.random(), now);
    if (concluded.finishedAt === null) this.#armAt(concluded.nextSendAt);
    else await this.#forgetUser(isLast ? null : concluded);
    return concluded.finishedAt === null ? "erasing" : "erased";
  }

  /** Destroys whatever is kept of the user here, in which table and under which key it may be, but for the erasure itself. */
  async #forgetUser(erasure: ErasureRow | null): Promise<void> {
    // Deleted rows stay in the pages of the file; with the whole of it they go, and the alarm.
    const gone = this.ctx.storage.deleteAll();
    this.#entries.noteDeleted();
    if (erasure !== null) {
      // Before anything is waited for: what is written by then is committed together with the deletion.
      this.#entries.make();
      this.#erasure.put(erasure);
      this.#armAt(erasure.nextSendAt);
    }
    await gone;
  }

  override async alarm(): Promise<void> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null) return this.#tellOwner();
    const now = Date.now();
    if (row.nextSendAt > now) {
      this.#armAt(row.nextSendAt);
      return;
    }
    this.#erasure.noteSent(row, Math.random(), now);
    this.#armAt(this.#pending().nextSendAt);
    // Told before it is sent: told afterwards, the consumer could have settled it already.
    await lateWork.note(this.env.OPERATIONS, lateErasure(this.#pending(), now));
    try {
      await this.env.ARCHIVE_QUEUE.send(jobOf(row));
    } catch (error) {
      log.warn("job_not_sent", { jobId: row.jobId, kind: "erase-user", ...errorFields(error) });
    }
  }

  /** Who is being erased comes on no list any more. */
  async #tellOwner(): Promise<void> {
    if (!this.#owner.isPending()) return;
    this.#armAt(Date.now() + OWNER_RETRY_MS);
    try {
      await this.#owner.tell(Date.now());
    } catch (error) {
      log.warn("owner_not_noted", errorFields(error));
    }
  }

  #work<T>(jobId: string, gone: T, body: (row: ErasureRow) => T): T {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.jobId !== jobId) return gone;
    return this.ctx.storage.transactionSync(() => {
      const result = body(row);
      this.#armAt(this.#pending().nextSendAt);
      return result;
    });
  }

  #report(row: ErasureRow): UserErasure {
    return toUserErasure(row, this.#erasure.unconfirmed());
  }

  #pending(): ErasureRow {
    const row = this.#erasure.row();
    if (row === null) throw new Error("an erasure that was just read is not there");
    return row;
  }

  #armAt(at: number): void {
    void this.ctx.storage.setAlarm(at);
  }
}
