import type { ListedSession, Metadata } from "../contracts/session.ts";
import { ERASURE_SCHEMA } from "./directory-erasure.ts";

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

export interface DirectoryPage {
  readonly entries: DirectoryEntry[];
  readonly scanEnd: DirectoryCursor | null;
}

/** An entry with the moment in milliseconds, so that pages of several shards can be merged exactly. */
export interface DirectoryEntry extends ListedSession {
  readonly createdAtMs: number;
}

/** Rows looked at for one page at most, so that a filter that nothing matches cannot scan a large directory in one request. */
const MAX_SCANNED_ROWS = 5_000;

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

/** The table of an owner's sessions, and every statement that touches it but those of the user's erasure. */
export class DirectoryEntries {
  readonly #sql: SqlStorage;
  #isThere: boolean;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const columns = sql.exec<{ name: string }>("SELECT name FROM pragma_table_info('sessions')").toArray();
    this.#isThere = columns.length > 0;
    const lacks = (column: string): boolean => this.#isThere && !columns.some(({ name }) => name === column);
    if (lacks("expired_at")) sql.exec(EXPIRY_COLUMNS);
    if (lacks("granted_at")) sql.exec(ERASURE_COLUMNS);
  }

  /** Whether the tables were ever made. An object that is only read has none. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Makes the tables, those of the erasure with them. */
  make(): void {
    if (this.#isThere) return;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS sessions (
        session TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        metadata TEXT NOT NULL
      ) WITHOUT ROWID;
      ${EXPIRY_COLUMNS}
      ${ERASURE_COLUMNS}
      CREATE INDEX IF NOT EXISTS sessions_newest ON sessions (created_at, session);
    `);
    this.#isThere = true;
  }

  /** To be called when all of the object's storage was deleted. */
  noteDeleted(): void {
    this.#isThere = false;
  }

  /**
   * Notes a session, or the word alone of one that is noted.
   * @param createdAt of one that is new
   * @param isArriving no list shows it
   * @param now ms since 1970
   */
  grant(session: string, createdAt: number, metadata: Metadata, isArriving: boolean, now: number): CreationGrant {
    const known = this.#sql
      .exec<{ created_at: number; granted_at: number; is_arriving: number }>(
        "SELECT created_at, granted_at, is_arriving FROM sessions WHERE session = ?",
        session,
      )
      .toArray()[0];
    const isKnown = known !== undefined && known.is_arriving === 0;
    const grantedAt = Math.max(now, (known?.granted_at ?? 0) + 1);
    if (isKnown) this.#sql.exec("UPDATE sessions SET granted_at = ? WHERE session = ?", grantedAt, session);
    else {
      this.#sql.exec(
        "INSERT OR REPLACE INTO sessions (session, created_at, metadata, granted_at, is_arriving) VALUES (?, ?, ?, ?, ?)",
        session,
        createdAt,
        JSON.stringify(metadata),
        grantedAt,
        isArriving ? 1 : 0,
      );
    }
    return { createdAt: isKnown ? known.created_at : createdAt, grantedAt, isKnown };
  }

  has(session: string | null): boolean {
    return this.#sql.exec("SELECT 1 FROM sessions WHERE session = ?", session).toArray().length > 0;
  }

  /** As that of a new life. */
  renew(session: string, metadata: Metadata): void {
    this.#sql.exec(
      "UPDATE sessions SET metadata = ?, expired_at = NULL, expiry_decided_at = granted_at WHERE session = ?",
      JSON.stringify(metadata),
      session,
    );
  }

  /** Removes an entry of which no later word was given. */
  remove(session: string, grantedAt: number): void {
    this.#sql.exec("DELETE FROM sessions WHERE session = ? AND granted_at <= ?", session, grantedAt);
  }

  setMetadata(session: string, metadata: Metadata): void {
    this.#sql.exec("UPDATE sessions SET metadata = ? WHERE session = ?", JSON.stringify(metadata), session);
  }

  /** @returns false if something is known that was decided later */
  setExpired(session: string, isExpired: boolean, decidedAt: number): boolean {
    this.#sql.exec(
      `UPDATE sessions SET expired_at = ?1, expiry_decided_at = ?2
       WHERE session = ?3 AND expiry_decided_at <= ?2 AND created_at <= ?2`,
      isExpired ? decidedAt : null,
      decidedAt,
      session,
    );
    const later = this.#sql.exec(
      "SELECT 1 FROM sessions WHERE session = ? AND expiry_decided_at > ?",
      session,
      decidedAt,
    );
    return later.toArray().length === 0;
  }

  /** Newest first. `scanEnd` is where a scan stopped that found too little in the rows it may look at; null if it saw all. */
  list(query: DirectoryQuery): DirectoryPage {
    const after = query.after ?? { createdAt: Number.MAX_SAFE_INTEGER, session: "" };
    const filters = Object.entries(query.metadata);
    const mostRows = filters.length === 0 ? query.limit : MAX_SCANNED_ROWS;
    const rows = this.#sql
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
}

function asText(value: Metadata[string] | undefined): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
