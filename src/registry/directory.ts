import { createHmac } from "node:crypto";
import { DurableObject } from "cloudflare:workers";
import type { ListedSession, Metadata } from "../contracts/session.ts";

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

const EXPIRY_COLUMNS = `
  ALTER TABLE sessions ADD COLUMN expired_at INTEGER;
  ALTER TABLE sessions ADD COLUMN expiry_decided_at INTEGER NOT NULL DEFAULT 0;
`;

/**
 * Knows every session of one owner, whatever becomes of PostgreSQL. It commits before a session's first append is answered, so
 * that erasure and maintenance, which enumerate by it, miss none. An entry whose session was never written is harmless.
 */
export class Directory extends DurableObject {
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const columns = ctx.storage.sql.exec<{ name: string }>("SELECT name FROM pragma_table_info('sessions')").toArray();
    this.#hasSchema = columns.length > 0;
    if (this.#hasSchema && !columns.some(({ name }) => name === "expired_at")) ctx.storage.sql.exec(EXPIRY_COLUMNS);
  }

  /**
   * Notes a session. Idempotent: a second call changes nothing.
   * @returns when it was created
   */
  async register(session: string, createdAt: number, metadata: Metadata): Promise<number> {
    const { sql } = this.ctx.storage;
    return this.ctx.storage.transactionSync(() => {
      if (!this.#hasSchema) {
        sql.exec(`
          CREATE TABLE IF NOT EXISTS sessions (
            session TEXT PRIMARY KEY,
            created_at INTEGER NOT NULL,
            metadata TEXT NOT NULL
          ) WITHOUT ROWID;
          ${EXPIRY_COLUMNS}
          CREATE INDEX IF NOT EXISTS sessions_newest ON sessions (created_at, session);
        `);
        this.#hasSchema = true;
      }
      sql.exec(
        "INSERT OR IGNORE INTO sessions (session, created_at, metadata) VALUES (?, ?, ?)",
        session,
        createdAt,
        JSON.stringify(metadata),
      );
      return sql.exec<{ created_at: number }>("SELECT created_at FROM sessions WHERE session = ?", session).one()
        .created_at;
    });
  }

  /** Takes a session off the list. Idempotent. */
  async remove(session: string): Promise<void> {
    if (this.#hasSchema) this.ctx.storage.sql.exec("DELETE FROM sessions WHERE session = ?", session);
  }

  async setMetadata(session: string, metadata: Metadata): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.sql.exec("UPDATE sessions SET metadata = ? WHERE session = ?", JSON.stringify(metadata), session);
  }

  /**
   * Notes that a session expired, or that it did not after all. Idempotent: what was decided before what is known changes nothing, nor
   * does what was decided of an earlier life of the session.
   * @param decidedAt ms since 1970, by the clock of the session's object
   */
  async setExpired(session: string, isExpired: boolean, decidedAt: number): Promise<void> {
    if (!this.#hasSchema) return;
    this.ctx.storage.sql.exec(
      `UPDATE sessions SET expired_at = ?1, expiry_decided_at = ?2
       WHERE session = ?3 AND expiry_decided_at <= ?2 AND created_at <= ?2`,
      isExpired ? decidedAt : null,
      decidedAt,
      session,
    );
  }

  /**
   * The name that the audit has for this object's owner: a hash with a key that never leaves the object. Null if the key was
   * destroyed, or if there is none and none may be made.
   */
  async auditName(owner: string, mayMakeKey: boolean): Promise<string | null> {
    const { sql } = this.ctx.storage;
    const hasTable = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'audit_key'").toArray().length > 0;
    const rows = hasTable ? sql.exec<{ key: ArrayBuffer | null }>("SELECT key FROM audit_key").toArray() : [];
    const key = rows[0] === undefined && mayMakeKey ? this.#makeAuditKey() : rows[0]?.key;
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

  /** Newest first. `scanEnd` is where a scan stopped that found too little in the rows it may look at; null if it saw all. */
  async list(query: DirectoryQuery): Promise<{ entries: DirectoryEntry[]; scanEnd: DirectoryCursor | null }> {
    if (!this.#hasSchema) return { entries: [], scanEnd: null };
    const after = query.after ?? { createdAt: Number.MAX_SAFE_INTEGER, session: "" };
    const filters = Object.entries(query.metadata);
    const mostRows = filters.length === 0 ? query.limit : MAX_SCANNED_ROWS;
    const rows = this.ctx.storage.sql
      .exec<{ session: string; created_at: number; metadata: string; expired_at: number | null }>(
        `SELECT session, created_at, metadata, expired_at FROM sessions
         WHERE created_at < ?1 OR (created_at = ?1 AND session < ?2)
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
}

function asText(value: Metadata[string] | undefined): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
