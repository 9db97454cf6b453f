import { DurableObject } from "cloudflare:workers";
import type { Fault, Outcome } from "../api/errors.ts";
import type { OwnerStanding } from "../api/finding.ts";
import { USER_PAGES_PER_EXPORT } from "../api/limits.ts";
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

/** The bindings that a directory uses. */
export interface DirectoryEnv {
  readonly ARCHIVE_QUEUE: Queue;
  readonly OWNERS: DurableObjectNamespace<Owners>;
  readonly OPERATIONS: LateWorkNamespace;
}

/** How long to wait before the list of owners is told again after a failure, in ms. */
const OWNER_RETRY_MS = 60_000;

const log = createLog();
/** Shared by all directories of an isolate. */
const lateWork = createLateWorkClient(log);
const inJurisdiction = createJurisdictions(log);

/**
 * The directory of one owner: it lists all of the owner's sessions, independently of PostgreSQL. An entry is committed
 * before the session's first append is answered, so erasure and maintenance, which go through these entries, miss no
 * session. An entry whose session was never created is harmless.
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
      // The runtime drops an alarm that failed too often. Nothing else would continue the erasure.
      if ((await ctx.storage.getAlarm()) === null) this.#armAt(erasure.nextSendAt);
    });
  }

  /** Registers a session: see `DirectoryClient.register`. Repeated, it only issues a new grant. */
  async register(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    spent: number | null = null,
    byUser: UserAsk | null = null,
  ): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, metadata, false, spent, byUser);
  }

  /** Registers a session that lists must not show yet: see `DirectoryClient.announce`. */
  async announce(ref: SessionRef, createdAt: number, byUser: UserAsk | null = null): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, {}, true, null, byUser);
  }

  /** Charges what a user is going to copy, and refuses it if it exceeds the user's limits. */
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

  /**
   * Counts an export or a further page of one, before it is read. A user without a directory has nothing to export, and
   * is not counted.
   */
  async chargeExport({ bounds: { exportsPerDay } }: UserAsk, isContinued: boolean): Promise<Outcome<null>> {
    if (exportsPerDay === null || !this.#entries.isThere) return { ok: true, value: null };
    const [deed, most] = isContinued
      ? (["exportPages", exportsPerDay * USER_PAGES_PER_EXPORT] as const)
      : (["exports", exportsPerDay] as const);
    return this.ctx.storage.transactionSync(() => {
      const now = Date.now();
      if (this.#days.count(deed, now) >= most) return { ok: false, fault: userQuotaFault(deed, most, 0, now) };
      // Nothing is recorded of an erased user.
      if (this.#erasure.row() === null) this.#days.add(deed, now);
      return { ok: true, value: null };
    });
  }

  /** Records an isolate's report of what the user used. Nothing is recorded of an erased user. */
  async noteTaken({ teller, day, ...sums }: UserDayReport): Promise<UserDayAnswer> {
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { total: sums, told: sums };
    return this.ctx.storage.transactionSync(() => this.#days.note({ teller, day, ...sums }));
  }

  /** Why the user may not create another session; null if they may. */
  #creationFault(bounds: UserBounds, now: number): Fault | null {
    const { sessions, sessionsPerDay } = bounds;
    if (sessions !== null && this.#entries.isThere && this.#entries.count(sessions) >= sessions) {
      return tooManySessions(sessions);
    }
    if (sessionsPerDay !== null && this.#days.count("sessions", now) >= sessionsPerDay) {
      return userQuotaFault("sessions", sessionsPerDay, 0, now);
    }
    // A user who may write nothing more today cannot start a session either. Session objects may not know of the limit
    // yet; the directory does.
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
    return this.#changeMakingTables(() => {
      const now = Date.now();
      const isNew = !this.#entries.isThere || !this.#entries.has(ref.session);
      const fault = byUser === null || !isNew ? null : this.#creationFault(byUser.bounds, now);
      // If the user is erased, that is the reason to give, before any limit.
      if (fault !== null && (!this.#entries.isThere || this.#erasure.row() === null)) return { ok: false, fault };
      this.#entries.make();
      const erasure = this.#erasure.row();
      if (erasure !== null) return { ok: false, fault: erasedUser(erasure) };
      if (this.#owner.schedule(ref, () => crypto.randomUUID())) this.#armAt(now);
      if (byUser !== null && isNew) this.#days.add("sessions", now);
      return { ok: true, value: this.#entries.grant(ref.session, createdAt, metadata, isArriving, spent, now) };
    });
  }

  /** Runs a change that may create the tables. After a rollback, looks again whether they exist. */
  #changeMakingTables<T>(change: () => T): T {
    try {
      return this.ctx.storage.transactionSync(change);
    } catch (error) {
      this.#entries.lookAgain();
      throw error;
    }
  }

  /** Updates an entry for a new epoch: see `DirectoryClient.renew`. */
  async renew(session: string, metadata: Metadata, grantedAt: number): Promise<void> {
    if (this.#entries.isThere) this.#entries.renew(session, metadata, grantedAt);
  }

  /** Removes an entry: see `DirectoryClient.remove`. */
  async remove(session: string, grantedAt: number, isLookedFor = false): Promise<Removal> {
    // While the user is being erased, the entry is needed: the erasure still has to ask the session's object.
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { state: "gone" };
    return this.#entries.remove(session, grantedAt, isLookedFor, Date.now());
  }

  /** Shows a hidden entry again: see `DirectoryClient.relist`. */
  async relist(session: string, metadata: Metadata): Promise<void> {
    if (this.#entries.isThere) this.#entries.relist(session, metadata);
  }

  /** Hides an entry: see `DirectoryClient.hide`. The erasure of the user still finds it. */
  async hide(session: string, grantedAt: number): Promise<void> {
    if (this.#entries.isThere) this.#entries.hide(session, grantedAt);
  }

  /** Saves metadata. If two changes arrive out of order, the later one wins. Idempotent. */
  async setMetadata(session: string, metadata: Metadata, change: MetadataChange): Promise<void> {
    if (this.#entries.isThere) this.#entries.setMetadata(session, metadata, change);
  }

  /**
   * Records an expiry or its cancellation: see `DirectoryClient.setExpired`.
   * @param decidedAt ms since 1970, by the clock of the session's object
   */
  async setExpired(session: string, isExpired: boolean, decidedAt: number, grantedAt: number): Promise<boolean> {
    return !this.#entries.isThere || this.#entries.setExpired(session, isExpired, decidedAt, grantedAt);
  }

  /** The owner's name in the audit log: see `DirectoryClient.auditName`. */
  async auditName(owner: string, mayMakeKey: boolean): Promise<string | null> {
    // A late event of an erased user must not create a new key.
    const isErased = this.#entries.isThere && this.#erasure.row() !== null;
    return this.#auditKey.nameOf(owner, mayMakeKey && !isErased);
  }

  /** Destroys the audit key for good: see `DirectoryClient.forgetAuditKey`. Idempotent. */
  async forgetAuditKey(): Promise<void> {
    this.#auditKey.destroy();
  }

  /** A page of the entries, newest first; empty for an erased user. See `DirectoryEntries.list`. */
  async list(query: DirectoryQuery): Promise<DirectoryPage> {
    if (!this.#entries.isThere || this.#erasure.row() !== null) return { entries: [], scanEnd: null };
    return this.#entries.list(query);
  }

  // The erasure of the user

  /**
   * Starts the erasure of the user. From now on writes for the user are refused, and the alarm drives the erasure until
   * it is complete. Idempotent.
   */
  async beginErasure(user: UserRef, trace?: string): Promise<UserErasure> {
    return this.#changeMakingTables(() => {
      this.#entries.make();
      if (this.#erasure.row() === null) {
        const now = Date.now();
        this.#erasure.begin(user, crypto.randomUUID(), now, trace);
        this.#armAt(now);
      }
      return this.#toReport(this.#requireErasure());
    });
  }

  /** The same, but a completed erasure starts again, because something of the user was found. */
  async beginErasureAgain(user: UserRef): Promise<UserErasure> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.finishedAt === null) return this.beginErasure(user);
    return this.ctx.storage.transactionSync(() => {
      const now = Date.now();
      this.#erasure.beginAgain(row, now);
      this.#armAt(now);
      return this.#toReport(this.#requireErasure());
    });
  }

  /** What the directory knows of the owner, and of one session. Reads only. */
  async standing(session: string | null): Promise<OwnerStanding> {
    const hasAuditKey = this.#auditKey.isThere();
    if (!this.#entries.isThere) return { isListed: false, entries: 0, erasure: null, hasAuditKey };
    const row = this.#erasure.row();
    const erasure = row === null ? null : row.finishedAt === null ? "erasing" : "erased";
    const isListed = this.#entries.has(session);
    return { isListed, entries: this.#erasure.entries(), erasure, hasAuditKey };
  }

  /** The state of the erasure; null if there is none. Reads only. */
  async readErasure(): Promise<UserErasure | null> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    return row === null ? null : this.#toReport(row);
  }

  /**
   * What the consumer of the erasure job does next; null if it has to wait, in which case the alarm sends the job
   * again.
   */
  async nextErasureStep(jobId: string, since: number): Promise<ErasureStep | null> {
    return this.#runErasureStep(jobId, null, (row) => this.#erasure.next(row, since, Math.random(), Date.now()));
  }

  /** Records that these sessions were erased in their objects. */
  async noteWiped(jobId: string, sessions: readonly string[]): Promise<void> {
    this.#runErasureStep(jobId, undefined, (row) => this.#erasure.noteWiped(row, sessions, Date.now()));
  }

  /**
   * Records sessions of the user that were found elsewhere.
   * @returns how many of them were unknown, and have to be erased in their objects first
   */
  async noteFound(jobId: string, sessions: readonly string[]): Promise<number> {
    return this.#runErasureStep(jobId, 0, (row) => this.#erasure.noteFound(row, sessions, Date.now()));
  }

  /** Records what was found in these sessions' objects after their erasure. */
  async noteLooked(jobId: string, looked: readonly LookedAt[]): Promise<void> {
    this.#runErasureStep(jobId, undefined, (row) => this.#erasure.noteLooked(row, looked, Date.now()));
  }

  /**
   * Records a failed attempt.
   * @returns what to report to operators; null if the erasure is complete
   */
  async noteErasureFailure(jobId: string, reason: string): Promise<ErasureFailure | null> {
    return this.#runErasureStep(jobId, null, (row) => {
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

  /**
   * Makes the erasure due now, without waiting for its backoff. Idempotent.
   * @returns false if it is not pending any more
   */
  async retryErasure(jobId: string): Promise<boolean> {
    return this.#runErasureStep(jobId, false, (row) => {
      const now = Date.now();
      if (isAtRest(row, now)) return false;
      this.#erasure.put({ ...row, nextSendAt: now });
      return true;
    });
  }

  /**
   * Completes the erasure if nothing was found, or continues it. Some days after it was completed it runs once more,
   * when no late write can arrive any more; if it then finds nothing, the object's storage is deleted and the user's id
   * can be used again.
   * @param found what the other places hold; the directory adds what it holds itself
   */
  async concludeErasure(
    jobId: string,
    found: Pick<ErasureFindings, "archive" | "failedJobs">,
  ): Promise<UserErasure["state"]> {
    // Done before the erasure's row is read, because no other call may run between reading it and completing the
    // erasure.
    await this.#owner.takeBack();
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.jobId !== jobId) return "erased";
    const now = Date.now();
    // Another delivery has completed it meanwhile.
    if (isAtRest(row, now)) return "erased";
    const left = this.#erasure.unconfirmed();
    const all = { checkedAt: new Date(now).toISOString(), sessions: left, directory: left, ...found };
    const isLast = row.finishedAt !== null;
    const concluded = this.#erasure.conclude(row, all, Math.random(), now);
    if (concluded.finishedAt === null) this.#armAt(concluded.nextSendAt);
    else await this.#forgetUser(isLast ? null : concluded);
    return concluded.finishedAt === null ? "erasing" : "erased";
  }

  /** Deletes everything stored of the user in this object, except for the erasure's own row. */
  async #forgetUser(erasure: ErasureRow | null): Promise<void> {
    // Deleted rows would stay in the pages of the file. `deleteAll` removes the whole file, and the alarm.
    const gone = this.ctx.storage.deleteAll();
    this.#entries.noteDeleted();
    if (erasure !== null) {
      // Written before anything is awaited, so that it is committed together with the deletion.
      this.#entries.make();
      this.#erasure.put(erasure);
      this.#armAt(erasure.nextSendAt);
    }
    await gone;
  }

  /** Sends the erasure's job if it is due; without an erasure, tells the list of owners. */
  override async alarm(): Promise<void> {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null) return this.#tellOwner();
    const now = Date.now();
    if (row.nextSendAt > now) {
      this.#armAt(row.nextSendAt);
      return;
    }
    this.#erasure.noteSent(row, Math.random(), now);
    this.#armAt(this.#requireErasure().nextSendAt);
    // Reported before the job is sent. If it were reported afterwards, a fast consumer could complete the job first,
    // and the report would stay.
    await lateWork.note(this.env.OPERATIONS, lateErasure(this.#requireErasure(), now));
    try {
      await this.env.ARCHIVE_QUEUE.send(jobOf(row));
    } catch (error) {
      log.warn("job_not_sent", { jobId: row.jobId, kind: "erase-user", ...errorFields(error) });
    }
  }

  /** Adds this owner to the list of owners, if that is pending. Not called while the user is being erased. */
  async #tellOwner(): Promise<void> {
    if (!this.#owner.isPending()) return;
    this.#armAt(Date.now() + OWNER_RETRY_MS);
    try {
      await this.#owner.tell(Date.now());
    } catch (error) {
      log.warn("owner_not_noted", errorFields(error));
    }
  }

  /**
   * Runs a step of the erasure in a transaction, and sets the alarm to its next time. Returns `gone` if the job is
   * over.
   */
  #runErasureStep<T>(jobId: string, gone: T, body: (row: ErasureRow) => T): T {
    const row = this.#entries.isThere ? this.#erasure.row() : null;
    if (row === null || row.jobId !== jobId) return gone;
    return this.ctx.storage.transactionSync(() => {
      const result = body(row);
      this.#armAt(this.#requireErasure().nextSendAt);
      return result;
    });
  }

  #toReport(row: ErasureRow): UserErasure {
    return toUserErasure(row, this.#erasure.unconfirmed());
  }

  #requireErasure(): ErasureRow {
    const row = this.#erasure.row();
    if (row === null) throw new Error("the row of an erasure that was just read is missing");
    return row;
  }

  #armAt(at: number): void {
    void this.ctx.storage.setAlarm(at);
  }
}
