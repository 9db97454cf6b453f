import type { ListedSession, Metadata } from "../api/session.ts";
import { ERASURE_SCHEMA, GRANT_REST_MS } from "./erasure.ts";

/** The word that a session may be created, which its object has to hear soon. */
export interface CreationGrant {
  /** When it was created first, in ms since 1970. */
  readonly createdAt: number;
  /** By the directory's clock; rises with each word about a session. */
  readonly grantedAt: number;
  /** There is an entry already: of the session, or of an earlier epoch that nobody took off the list. */
  readonly isKnown: boolean;
}

/**
 * What became of an entry that was to go.
 * - `gone`: there is none any more, or the erasure of the user sees to it
 * - `held`: another word about the session may still lead to an epoch of it; no list shows the entry if it was the newest epoch's
 * - `spent`: a later word was given, too long ago to lead to anything now. Whether it did only the session's object knows: it is to be
 *   asked, and if nothing lives there the entry goes by that word
 */
export type Removal =
  | { readonly state: "gone" }
  | { readonly state: "held"; readonly until: number }
  | { readonly state: "spent"; readonly grantedAt: number };

const GONE: Removal = { state: "gone" };

/** `is_arriving` of an entry that is kept only because an epoch may still come by an earlier word. No list shows it either. */
const HELD = 2;

/** Which of the changes of a session's metadata one is. */
export interface MetadataChange {
  /** The newest word that the epoch whose metadata it is had heard of. */
  readonly grantedAt: number;
  /** Rises with each change in that epoch. */
  readonly rev: number;
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
/** With 4 KiB of metadata each they are one MiB, of which a page that is soon full needs little. */
const SCANNED_AT_ONCE = 250;

type ScannedRow = { session: string; created_at: number; metadata: string; expired_at: number | null };

const SCHEMA = `
  CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    expired_at INTEGER,
    expiry_decided_at INTEGER NOT NULL DEFAULT 0,
    -- The newest word that the epoch had heard of of which that was decided.
    expiry_epoch_at INTEGER NOT NULL DEFAULT 0,
    granted_at INTEGER NOT NULL DEFAULT 0,
    is_arriving INTEGER NOT NULL DEFAULT 0,
    erasing INTEGER NOT NULL DEFAULT 0,
    looked_at INTEGER NOT NULL DEFAULT 0,
    -- Of which epoch an entry is: the word before the newest one, and the word by which the epoch began that it speaks of.
    granted_before INTEGER NOT NULL DEFAULT 0,
    epoch_at INTEGER NOT NULL DEFAULT 0,
    -- Which change of the metadata an entry has.
    metadata_at INTEGER NOT NULL DEFAULT 0,
    metadata_rev INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX sessions_newest ON sessions (created_at, session);
  -- The last word of all about sessions whose entries are gone: a new epoch's word is a later one, whatever the clock says by then.
  CREATE TABLE last_word (one INTEGER PRIMARY KEY CHECK (one = 1), granted_at INTEGER NOT NULL);
  ${ERASURE_SCHEMA}
`;

/** The table of an owner's sessions, and every statement that touches it but those of the user's erasure. */
export class DirectoryEntries {
  readonly #sql: SqlStorage;
  #isThere: boolean;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#isThere = hasTables(sql);
  }

  /** Whether the tables were ever made. An object that is only read has none. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Makes the tables, those of the erasure with them. */
  make(): void {
    if (this.#isThere) return;
    this.#sql.exec(SCHEMA);
    this.#isThere = true;
  }

  /** To be called when a transaction was rolled back that may have made the tables. */
  lookAgain(): void {
    this.#isThere = hasTables(this.#sql);
  }

  /** To be called when all of the object's storage was deleted. */
  noteDeleted(): void {
    this.#isThere = false;
  }

  /**
   * Notes a session, or the word alone of one that is noted.
   * @param createdAt of one that is new
   * @param isArriving no list shows it
   * @param spent an earlier word that came to its end with whoever asks: nothing more can come of it
   * @param now ms since 1970
   */
  grant(
    session: string,
    createdAt: number,
    metadata: Metadata,
    isArriving: boolean,
    spent: number | null,
    now: number,
  ): CreationGrant {
    const known = this.#sql
      .exec<{ created_at: number; granted_at: number; granted_before: number; is_arriving: number }>(
        "SELECT created_at, granted_at, granted_before, is_arriving FROM sessions WHERE session = ?",
        session,
      )
      .toArray()[0];
    const isKnown = known !== undefined && known.is_arriving === 0;
    const grantedAt = Math.max(now, (known?.granted_at ?? this.#lastWord()) + 1);
    const grantedBefore =
      known === undefined ? 0 : known.granted_at === spent ? known.granted_before : known.granted_at;
    if (isKnown) {
      this.#sql.exec(
        "UPDATE sessions SET granted_at = ?, granted_before = ? WHERE session = ?",
        grantedAt,
        grantedBefore,
        session,
      );
    } else {
      this.#sql.exec(
        `INSERT OR REPLACE INTO sessions
           (session, created_at, metadata, granted_at, granted_before, epoch_at, is_arriving)
         VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?6)`,
        session,
        createdAt,
        JSON.stringify(metadata),
        grantedAt,
        grantedBefore,
        isArriving ? 1 : 0,
      );
    }
    return { createdAt: isKnown ? known.created_at : createdAt, grantedAt, isKnown };
  }

  /** How many there are, as far as it matters. */
  count(most: number): number {
    return this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM (SELECT 1 FROM sessions LIMIT ?)", most)
      .one().count;
  }

  has(session: string | null): boolean {
    return this.#sql.exec("SELECT 1 FROM sessions WHERE session = ?", session).toArray().length > 0;
  }

  /**
   * As that of a new epoch, which began by a word; not where the entry is of a later one by then. This may come late: that epoch may have expired
   * before, or have other metadata by then, which the entry has already.
   */
  renew(session: string, metadata: Metadata, grantedAt: number): void {
    this.#sql.exec(
      `UPDATE sessions SET metadata = CASE WHEN metadata_at >= ?2 THEN metadata ELSE ?1 END, epoch_at = ?2,
         expired_at = CASE WHEN expiry_epoch_at >= ?2 THEN expired_at END,
         expiry_decided_at = CASE WHEN expiry_epoch_at >= ?2 THEN expiry_decided_at ELSE granted_at END
       WHERE session = ?3 AND epoch_at < ?2`,
      JSON.stringify(metadata),
      grantedAt,
      session,
    );
  }

  /**
   * Removes an entry, if no epoch but one that is gone can be meant by it.
   * @param grantedAt the newest word that the epoch which is gone had heard of; 0 if it is not known
   * @param isLookedFor whether the session's object was asked, and has nothing
   */
  remove(session: string, grantedAt: number, isLookedFor: boolean, now: number): Removal {
    const entry = this.#sql
      .exec<{ granted_at: number; granted_before: number; is_arriving: number }>(
        "SELECT granted_at, granted_before, is_arriving FROM sessions WHERE session = ?",
        session,
      )
      .toArray()[0];
    if (entry === undefined) return GONE;
    const isInUse = (word: number): boolean => now - word < GRANT_REST_MS;
    if (entry.granted_at > grantedAt) {
      if (isInUse(entry.granted_at)) return { state: "held", until: entry.granted_at + GRANT_REST_MS };
      return { state: "spent", grantedAt: entry.granted_at };
    }
    // An earlier word may be on its way to the object, and find nothing there any more.
    if (isInUse(entry.granted_before)) {
      this.#sql.exec(`UPDATE sessions SET is_arriving = ${HELD}, metadata = '{}' WHERE session = ?`, session);
      return { state: "held", until: entry.granted_before + GRANT_REST_MS };
    }
    // An epoch may have come of it since.
    if (entry.is_arriving === HELD && !isLookedFor) return { state: "spent", grantedAt: entry.granted_at };
    this.#sql.exec("DELETE FROM sessions WHERE session = ?", session);
    const last = Math.max(entry.granted_at, this.#lastWord());
    this.#sql.exec("INSERT OR REPLACE INTO last_word (one, granted_at) VALUES (1, ?)", last);
    return GONE;
  }

  /** The latest word about any session whose entry is gone; 0 if there was none. */
  #lastWord(): number {
    return this.#sql.exec<{ granted_at: number }>("SELECT granted_at FROM last_word").toArray()[0]?.granted_at ?? 0;
  }

  /** Shows an entry again of which an epoch was found after all. It is past the word by which one that is gone would take it off. */
  relist(session: string, metadata: Metadata): void {
    this.#sql.exec(
      `UPDATE sessions SET granted_at = granted_at + (is_arriving = ${HELD}), is_arriving = 0, metadata = ?
       WHERE session = ? AND is_arriving <> 0`,
      JSON.stringify(metadata),
      session,
    );
  }

  /** Takes an entry off the lists whose session is not there yet after all, unless a later word was given for it. */
  hide(session: string, grantedAt: number): void {
    this.#sql.exec(
      "UPDATE sessions SET is_arriving = 1, metadata = '{}' WHERE session = ? AND granted_at = ?",
      session,
      grantedAt,
    );
  }

  /** An entry of a later epoch keeps its own, and one that has a later change of the same epoch keeps that. */
  setMetadata(session: string, metadata: Metadata, { grantedAt, rev }: MetadataChange): void {
    this.#sql.exec(
      `UPDATE sessions SET metadata = ?1, metadata_at = ?3, metadata_rev = ?4
       WHERE session = ?2 AND epoch_at <= ?3 AND (metadata_at, metadata_rev) < (?3, ?4)`,
      JSON.stringify(metadata),
      session,
      grantedAt,
      rev,
    );
  }

  /**
   * @param grantedAt the newest word that the epoch of which it was decided had heard of
   * @returns false if something is known that was decided later
   */
  setExpired(session: string, isExpired: boolean, decidedAt: number, grantedAt: number): boolean {
    this.#sql.exec(
      `UPDATE sessions SET expired_at = ?1, expiry_decided_at = ?2, expiry_epoch_at = ?4
       WHERE session = ?3 AND expiry_decided_at <= ?2 AND created_at <= ?2 AND epoch_at <= ?4`,
      isExpired ? decidedAt : null,
      decidedAt,
      session,
      grantedAt,
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
    const filters = Object.entries(query.metadata);
    const entries: DirectoryEntry[] = [];
    let scanned = 0;
    let last: DirectoryCursor | null = query.after;
    while (entries.length < query.limit && scanned < MAX_SCANNED_ROWS) {
      const wanted = filters.length === 0 ? query.limit : SCANNED_AT_ONCE;
      const rows = this.#page(last, Math.min(wanted, MAX_SCANNED_ROWS - scanned));
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
      if (rows.length < wanted) break;
    }
    return { entries, scanEnd: scanned >= MAX_SCANNED_ROWS ? last : null };
  }

  #page(after: DirectoryCursor | null, limit: number): ScannedRow[] {
    const { createdAt, session } = after ?? { createdAt: Number.MAX_SAFE_INTEGER, session: "" };
    return this.#sql
      .exec<ScannedRow>(
        `SELECT session, created_at, metadata, expired_at FROM sessions
         WHERE is_arriving = 0 AND (created_at < ?1 OR (created_at = ?1 AND session < ?2))
         ORDER BY created_at DESC, session DESC LIMIT ?3`,
        createdAt,
        session,
        limit,
      )
      .toArray();
  }
}

function hasTables(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'sessions'").toArray().length > 0;
}

function asText(value: Metadata[string] | undefined): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
