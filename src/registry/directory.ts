import { createHmac } from "node:crypto";
import { DurableObject } from "cloudflare:workers";
import type { Outcome } from "../contracts/errors.ts";
import type { OwnerStanding } from "../contracts/finding.ts";
import { CREATION_GRANT_MS } from "../contracts/limits.ts";
import type { ListedSession, Metadata, SessionRef } from "../contracts/session.ts";
import { jurisdictionSchema } from "../contracts/tenant.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../contracts/user.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import {
  DirectoryErasure,
  ERASURE_SCHEMA,
  erasedUser,
  type ErasureFailure,
  type ErasureRow,
  type ErasureStep,
  isAtRest,
  jobOf,
  lateErasure,
  type LookedAt,
  toUserErasure,
} from "./directory-erasure.ts";
import { OwnerNote } from "./directory-owner.ts";
import { createJurisdictions } from "./jurisdiction.ts";
import { createLateWorkClient, type LateWork, type LateWorkNamespace } from "./late-work-client.ts";
import { createOwnersClient } from "./owners-client.ts";
import type { Owners } from "./owners.ts";

/** The part of the environment that a directory uses. */
export interface DirectoryEnv {
  readonly ARCHIVE_QUEUE: Queue;
  readonly OWNERS: DurableObjectNamespace<Owners>;
  readonly OPERATIONS: LateWorkNamespace;
}

/** The word that a session may be created, which its object has to hear soon. */
export interface CreationGrant {
  /** When it was created first, in ms since 1970. */
  readonly createdAt: number;
  /** By the directory's clock; rises with each word about a session. */
  readonly grantedAt: number;
  /** There is an entry already: of the session, or of an earlier life that nobody took off the list. */
  readonly isKnown: boolean;
}

/** Where a page of the list ended. */
export interface DirectoryCursor {
  readonly createdAt: number;
  readonly session: string;
}

export interface DirectoryQuery {
  readonly limit: number;
  readonly after: DirectoryCursor | null;
  /** Every key with its value; values are compared as text. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** An entry with the moment in milliseconds, so that pages of several shards can be merged exactly. */
export interface DirectoryEntry extends ListedSession {
  readonly createdAtMs: number;
}

const AUDIT_KEY_BYTES = 32;
/** Hexadecimal digits of a user's name in the audit: 128 bits, so that no two are ever the same. */
const AUDIT_NAME_LENGTH = 32;

/** Rows looked at for one page at most, so that a filter that nothing matches cannot scan a large directory in one request. */
const MAX_SCANNED_ROWS = 5_000;

/** A list of owners that is out of reach is told again after this. */
const OWNER_RETRY_MS = 60_000;

const log = createLog();
/** Shared by the directories of an isolate. */
const lateWork = createLateWorkClient();
const inJurisdiction = createJurisdictions(log);

const EXPIRY_COLUMNS = `
  ALTER TABLE sessions ADD COLUMN expired_at INTEGER;
  ALTER TABLE sessions ADD COLUMN expiry_decided_at INTEGER NOT NULL DEFAULT 0;
`;

const ERASURE_COLUMNS = `
  ALTER TABLE sessions ADD COLUMN granted_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN is_arriving INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN erasing INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN looked_at INTEGER NOT NULL DEFAULT 0;
  ${ERASURE_SCHEMA}
`;

/**
 * Knows every session of one owner, whatever becomes of PostgreSQL. It commits before a session's first append is answered, so
 * that erasure and maintenance, which enumerate by it, miss none. An entry whose session was never written is harmless.
 */
export class Directory extends DurableObject<DirectoryEnv> {
  #hasSchema: boolean;
  readonly #erasure: DirectoryErasure;
  readonly #owner: OwnerNote;

  constructor(ctx: DurableObjectState, env: DirectoryEnv) {
    super(ctx, env);
    const columns = ctx.storage.sql.exec<{ name: string }>("SELECT name FROM pragma_table_info('sessions')").toArray();
    this.#hasSchema = columns.length > 0;
    const lacks = (column: string): boolean => this.#hasSchema && !columns.some(({ name }) => name === column);
    if (lacks("expired_at")) ctx.storage.sql.exec(EXPIRY_COLUMNS);
    if (lacks("granted_at")) ctx.storage.sql.exec(ERASURE_COLUMNS);
    this.#erasure = new DirectoryErasure(ctx.storage.sql);
    const { data: place } = jurisdictionSchema.safeParse(ctx.id.jurisdiction);
    const owners = createOwnersClient(env.OWNERS, async (all) =>
      place === undefined ? all : inJurisdiction(all, place),
    );
    this.#owner = new OwnerNote(ctx.storage.sql, owners);
  }

  /** Notes a session. Repeated it changes nothing but the word itself. Refuses where the user was erased. */
  async register(ref: SessionRef, createdAt: number, metadata: Metadata): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, metadata, false);
  }

  /** Notes a session that is about to be filled, and that no list shows before it is registered. */
  async announce(ref: SessionRef, createdAt: number): Promise<Outcome<CreationGrant>> {
    return this.#grant(ref, createdAt, {}, true);
  }

  #grant(ref: SessionRef, createdAt: number, metadata: Metadata, isArriving: boolean): Outcome<CreationGrant> {
    const { session } = ref;
    const { sql } = this.ctx.storage;
    return this.ctx.storage.transactionSync(() => {
      this.#ensureSchema();
      const erasure = this.#erasure.row();
      if (erasure !== null) return { ok: false, fault: erasedUser(erasure) };
      if (this.#owner.owe(ref, () => crypto.randomUUID())) this.#armAt(Date.now());
      const known = sql
        .exec<{ created_at: number; granted_at: number; is_arriving: number }>(
          "SELECT created_at, granted_at, is_arriving FROM sessions WHERE session = ?",
          session,
        )
        .toArray()[0];
      const isKnown = known !== undefined && known.is_arriving === 0;
      const since = isKnown ? known.created_at : createdAt;
      const grantedAt = Math.max(Date.now(), (known?.granted_at ?? 0) + 1);
      if (isKnown) sql.exec("UPDATE sessions SET granted_at = ? WHERE session = ?", grantedAt, session);
      else {
        sql.exec(
          "INSERT OR REPLACE INTO sessions (session, created_at, metadata, granted_at, is_arriving) VALUES (?, ?, ?, ?, ?)",
          session,
          createdAt,
          JSON.stringify(metadata),
          grantedAt,
          isArriving ? 1 : 0,
        );
      }
      return { ok: true, value: { createdAt: since, grantedAt, isKnown } };
    });
  }

  #ensureSchema(): void {
    if (this.#hasSchema) return;
    this.ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS sessions (
        session TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        metadata TEXT NOT NULL
      ) WITHOUT ROWID;
      ${EXPIRY_COLUMNS}
      ${ERASURE_COLUMNS}
      CREATE INDEX IF NOT EXISTS sessions_newest ON sessions (created_at, session);
    `);
    this.#hasSchema = true;
  }

  /** The entry is of a new life: what it says of an earlier one, which nobody took off the list, holds no more. Idempotent. */
  async renew(session: string, metadata: Metadata): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.sql.exec(
      "UPDATE sessions SET metadata = ?, expired_at = NULL, expiry_decided_at = granted_at WHERE session = ?",
      JSON.stringify(metadata),
      session,
    );
  }

  /**
   * Takes a session off the list. Idempotent, and deaf where a later word than `grantedAt` may still lead to a new life of it.
   * @param grantedAt the newest word that the life which is gone had heard of; 0 if it is not known
   */
  async remove(session: string, grantedAt: number): Promise<void> {
    // The erasure of the user has to ask its object yet, whoever erased it.
    if (!this.#hasSchema || this.#erasure.row() !== null) return;
    this.ctx.storage.sql.exec(
      "DELETE FROM sessions WHERE session = ? AND granted_at <= max(?, ?)",
      session,
      grantedAt,
      Date.now() - CREATION_GRANT_MS,
    );
  }

  async setMetadata(session: string, metadata: Metadata): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.sql.exec("UPDATE sessions SET metadata = ? WHERE session = ?", JSON.stringify(metadata), session);
  }

  /**
   * Notes that a session expired, or that it did not after all. Idempotent: what was decided before what is known changes nothing, nor
   * does what was decided of an earlier life of the session.
   * @param decidedAt ms since 1970, by the clock of the session's object
   * @returns false if something is known that was decided later
   */
  async setExpired(session: string, isExpired: boolean, decidedAt: number): Promise<boolean> {
    if (!this.#hasSchema) return true;
    const { sql } = this.ctx.storage;
    sql.exec(
      `UPDATE sessions SET expired_at = ?1, expiry_decided_at = ?2
       WHERE session = ?3 AND expiry_decided_at <= ?2 AND created_at <= ?2`,
      isExpired ? decidedAt : null,
      decidedAt,
      session,
    );
    const later = sql.exec("SELECT 1 FROM sessions WHERE session = ? AND expiry_decided_at > ?", session, decidedAt);
    return later.toArray().length === 0;
  }

  /**
   * The name that the audit has for this object's owner: a hash with a key that never leaves the object. Null if the key was
   * destroyed, or if there is none and none may be made.
   */
  async auditName(owner: string, mayMakeKey: boolean): Promise<string | null> {
    const { sql } = this.ctx.storage;
    const hasTable = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'audit_key'").toArray().length > 0;
    const rows = hasTable ? sql.exec<{ key: ArrayBuffer | null }>("SELECT key FROM audit_key").toArray() : [];
    // A late event of a user who was erased brings no key back.
    const mayMake = mayMakeKey && !(this.#hasSchema && this.#erasure.row() !== null);
    const key = rows[0] === undefined && mayMake ? this.#makeAuditKey() : rows[0]?.key;
    if (key === undefined || key === null) return null;
    return createHmac("sha256", new Uint8Array(key)).update(owner).digest("hex").slice(0, AUDIT_NAME_LENGTH);
  }

  #makeAuditKey(): ArrayBuffer {
    const key = crypto.getRandomValues(new Uint8Array(AUDIT_KEY_BYTES)).buffer;
    this.#putAuditKey(key);
    return key;
  }

  /** Destroys the key, for good: nobody can tell any more which events of the audit are the owner's. Idempotent. */
  async forgetAuditKey(): Promise<void> {
    this.#putAuditKey(null);
  }

  #putAuditKey(key: ArrayBuffer | null): void {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      sql.exec("CREATE TABLE IF NOT EXISTS audit_key (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB)");
      sql.exec("INSERT OR REPLACE INTO audit_key (one, key) VALUES (1, ?)", key);
    });
  }

  /** Newest first; of a user who is erased nothing. `scanEnd` is where a scan stopped that found too little in the rows it may look at; null if it saw all. */
  async list(query: DirectoryQuery): Promise<{ entries: DirectoryEntry[]; scanEnd: DirectoryCursor | null }> {
    if (!this.#hasSchema || this.#erasure.row() !== null) return { entries: [], scanEnd: null };
    const after = query.after ?? { createdAt: Number.MAX_SAFE_INTEGER, session: "" };
    const filters = Object.entries(query.metadata);
    const mostRows = filters.length === 0 ? query.limit : MAX_SCANNED_ROWS;
    const rows = this.ctx.storage.sql
      .exec<{ session: string; created_at: number; metadata: string; expired_at: number | null }>(
        `SELECT session, created_at, metadata, expired_at FROM sessions
         WHERE is_arriving = 0 AND (created_at < ?1 OR (created_at = ?1 AND session < ?2))
         ORDER BY created_at DESC, session DESC LIMIT ?3`,
        after.createdAt,
        after.session,
        mostRows,
      )
      .toArray();
    const entries: DirectoryEntry[] = [];
    let scanned = 0;
    let last: DirectoryCursor | null = null;
    for (const row of rows) {
      if (entries.length >= query.limit) break;
      scanned += 1;
      last = { createdAt: row.created_at, session: row.session };
      const metadata: Metadata = JSON.parse(row.metadata);
      if (!filters.every(([key, value]) => asText(metadata[key]) === value)) continue;
      entries.push({
        id: row.session,
        createdAt: new Date(row.created_at).toISOString(),
        createdAtMs: row.created_at,
        metadata,
        ...(row.expired_at === null ? {} : { expiredAt: new Date(row.expired_at).toISOString() }),
      });
    }
    return { entries, scanEnd: scanned >= MAX_SCANNED_ROWS ? last : null };
  }

  // The erasure of the user

  /** From here on nothing is taken in in the user's name, and the alarm drives the rest. Idempotent. */
  async beginErasure(user: UserRef, trace?: string): Promise<UserErasure> {
    return this.ctx.storage.transactionSync(() => {
      this.#ensureSchema();
      if (this.#erasure.row() === null) {
        const now = Date.now();
        this.#erasure.begin(user, crypto.randomUUID(), now, trace);
        this.#armAt(now);
      }
      return this.#report(this.#owed());
    });
  }

  /** The same, and an erasure that is over begins again: something of the user was found since. */
  async beginErasureAgain(user: UserRef): Promise<UserErasure> {
    const row = this.#hasSchema ? this.#erasure.row() : null;
    if (row === null || row.finishedAt === null) return this.beginErasure(user);
    return this.ctx.storage.transactionSync(() => {
      const now = Date.now();
      this.#erasure.beginAgain(row, now);
      this.#armAt(now);
      return this.#report(this.#owed());
    });
  }

  /** What is known here of the owner, and of one session. Reads only. */
  async standing(session: string | null): Promise<OwnerStanding> {
    const { sql } = this.ctx.storage;
    const hasTable = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'audit_key'").toArray().length > 0;
    const hasAuditKey = hasTable && sql.exec("SELECT 1 FROM audit_key WHERE key IS NOT NULL").toArray().length > 0;
    if (!this.#hasSchema) return { isListed: false, entries: 0, erasure: null, hasAuditKey };
    const row = this.#erasure.row();
    const erasure = row === null ? null : row.finishedAt === null ? "erasing" : "erased";
    const isListed = sql.exec("SELECT 1 FROM sessions WHERE session = ?", session).toArray().length > 0;
    return { isListed, entries: this.#erasure.entries(), erasure, hasAuditKey };
  }

  /** Null if none is known. Reads only. */
  async readErasure(): Promise<UserErasure | null> {
    const row = this.#hasSchema ? this.#erasure.row() : null;
    return row === null ? null : this.#report(row);
  }

  /** What a consumer does next; null if nothing is owed now. The alarm calls it again in time. */
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

  /** @returns what operators are told; null if nothing is owed any more */
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

  /** Makes the erasure due now, whatever pause it is in. Idempotent. @returns false if it is no longer owed */
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
    const row = this.#hasSchema ? this.#erasure.row() : null;
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
    // Deleted rows stay in the pages of the file; with the whole of it they go.
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#hasSchema = false;
    if (erasure === null) return;
    this.#ensureSchema();
    this.#erasure.put(erasure);
    this.#armAt(erasure.nextSendAt);
  }

  override async alarm(): Promise<void> {
    const row = this.#hasSchema ? this.#erasure.row() : null;
    if (row === null) return this.#tellOwner();
    const now = Date.now();
    if (row.nextSendAt > now) {
      this.#armAt(row.nextSendAt);
      return;
    }
    this.#erasure.noteSent(row, Math.random(), now);
    this.#armAt(this.#owed().nextSendAt);
    // Told before it is sent: told afterwards, the consumer could have settled it already.
    await this.#noteLate(lateErasure(this.#owed(), now));
    try {
      await this.env.ARCHIVE_QUEUE.send(jobOf(row));
    } catch (error) {
      log.warn("job_not_sent", { jobId: row.jobId, kind: "erase-user", ...errorFields(error) });
    }
  }

  /** Operators hear of it. An Operations object out of reach must not hold up the erasure. */
  async #noteLate(late: LateWork | null): Promise<void> {
    if (late === null) return;
    try {
      const isTold = await lateWork.note(this.env.OPERATIONS, late);
      if (isTold) log.warn("job_late", { jobId: late.jobId, kind: late.kind, owedForMs: Date.now() - late.owedAt });
    } catch (error) {
      log.error("operations_unreachable", errorFields(error));
    }
  }

  /** Who is being erased comes on no list any more. */
  async #tellOwner(): Promise<void> {
    if (!this.#owner.isOwed()) return;
    this.#armAt(Date.now() + OWNER_RETRY_MS);
    try {
      await this.#owner.tell(Date.now());
    } catch (error) {
      log.warn("owner_not_noted", errorFields(error));
    }
  }

  #work<T>(jobId: string, gone: T, body: (row: ErasureRow) => T): T {
    const row = this.#hasSchema ? this.#erasure.row() : null;
    if (row === null || row.jobId !== jobId) return gone;
    return this.ctx.storage.transactionSync(() => {
      const result = body(row);
      this.#armAt(this.#owed().nextSendAt);
      return result;
    });
  }

  #report(row: ErasureRow): UserErasure {
    return toUserErasure(row, this.#erasure.unconfirmed());
  }

  #owed(): ErasureRow {
    const row = this.#erasure.row();
    if (row === null) throw new Error("an erasure that was just read is not there");
    return row;
  }

  #armAt(at: number): void {
    void this.ctx.storage.setAlarm(at);
  }
}

function asText(value: Metadata[string] | undefined): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
