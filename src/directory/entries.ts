import type { ListedSession, Metadata } from "../api/session.ts";
import { ERASURE_SCHEMA, GRANT_REST_MS } from "./erasure.ts";

/** The directory's permission to create a session. Its object has to receive it within `CREATION_GRANT_MS`. */
export interface CreationGrant {
  /** When the session was first registered, in ms since 1970. */
  readonly createdAt: number;
  /**
   * When the grant was given, in ms since 1970 by the directory's clock. It identifies the grant: each later grant for
   * a session has a higher value.
   */
  readonly grantedAt: number;
  /** Whether there was an entry already, of this epoch or of an earlier one that nobody removed. */
  readonly isKnown: boolean;
}

/**
 * The result of removing an entry.
 * - `gone`: there is no entry any more, or the erasure of the user will remove it
 * - `held`: another grant may still create an epoch of the session, until `until` (ms since 1970). If the removed epoch
 *   was the newest, lists do not show the entry
 * - `spent`: a later grant was given, too long ago to create anything now. Only the session's object knows whether it
 *   did: ask it, and if it holds nothing, call `remove` again with this `grantedAt`
 */
export type Removal =
  | { readonly state: "gone" }
  | { readonly state: "held"; readonly until: number }
  | { readonly state: "spent"; readonly grantedAt: number };

const GONE: Removal = { state: "gone" };

/**
 * The value of `is_arriving` for an entry that is kept only because an earlier grant may still create an epoch. Lists
 * do not show it.
 */
const HELD = 2;

/** Identifies a change of a session's metadata, so that the later of two changes wins. */
export interface MetadataChange {
  /** The newest creation grant that the epoch had recorded. */
  readonly grantedAt: number;
  /** Increases with each change in that epoch. */
  readonly rev: number;
}

/** The last entry of a page. */
export interface DirectoryCursor {
  readonly createdAt: number;
  readonly session: string;
}

/** Which page of entries to read. `after`: the last entry of the page before; null for the first page. */
export interface DirectoryQuery {
  readonly limit: number;
  readonly after: DirectoryCursor | null;
  /** Only entries that have all of these values, compared as text. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * A page of entries. `scanEnd`: where the scan stopped because it had read as many rows as one request may; null if it
 * reached the end or the page is full.
 */
export interface DirectoryPage {
  readonly entries: DirectoryEntry[];
  readonly scanEnd: DirectoryCursor | null;
}

/** An entry, with its time of creation in ms, so that the pages of several shards can be merged exactly. */
export interface DirectoryEntry extends ListedSession {
  readonly createdAtMs: number;
}

/**
 * How many rows are read for one page, so that a filter without matches cannot scan a large directory in one request.
 */
const MAX_SCANNED_ROWS = 5_000;
/**
 * How many rows are read at once with a filter. With 4 KiB of metadata each they take 1 MiB, and a page that fills soon
 * reads little too much.
 */
const SCANNED_AT_ONCE = 250;

type ScannedRow = { session: string; created_at: number; metadata: string; expired_at: number | null };

const SCHEMA = `
  CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    expired_at INTEGER,
    expiry_decided_at INTEGER NOT NULL DEFAULT 0,
    -- The newest creation grant that the epoch had recorded for which the expiry was decided.
    expiry_epoch_at INTEGER NOT NULL DEFAULT 0,
    granted_at INTEGER NOT NULL DEFAULT 0,
    is_arriving INTEGER NOT NULL DEFAULT 0,
    erasing INTEGER NOT NULL DEFAULT 0,
    looked_at INTEGER NOT NULL DEFAULT 0,
    -- granted_before: the grant before the newest one. epoch_at: the grant with which the epoch began that the entry describes.
    granted_before INTEGER NOT NULL DEFAULT 0,
    epoch_at INTEGER NOT NULL DEFAULT 0,
    -- The change of the metadata that the entry has: see MetadataChange.
    metadata_at INTEGER NOT NULL DEFAULT 0,
    metadata_rev INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX sessions_newest ON sessions (created_at, session);
  -- The latest grant for any session whose entry is removed. Later grants get higher values, even if the clock is set back.
  CREATE TABLE last_word (one INTEGER PRIMARY KEY CHECK (one = 1), granted_at INTEGER NOT NULL);
  ${ERASURE_SCHEMA}
`;

/** All SQL statements for an owner's entries, except those of the user's erasure. */
export class DirectoryEntries {
  readonly #sql: SqlStorage;
  #isThere: boolean;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#isThere = hasTables(sql);
  }

  /** Whether the tables exist. An object that was only read has none. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Creates the tables, including that of the erasure. */
  make(): void {
    if (this.#isThere) return;
    this.#sql.exec(SCHEMA);
    this.#isThere = true;
  }

  /** Must be called after a rollback that may have undone the creation of the tables. */
  lookAgain(): void {
    this.#isThere = hasTables(this.#sql);
  }

  /** Must be called after the object's storage was deleted. */
  noteDeleted(): void {
    this.#isThere = false;
  }

  /**
   * Grants the creation of a session, and adds its entry if there is none that lists show.
   * @param createdAt used for a new entry
   * @param isArriving whether lists must not show the entry yet
   * @param spent an earlier grant of this caller that is used up: no epoch can be created from it any more
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
    const grantedAt = Math.max(now, (known?.granted_at ?? this.#latestRemovedGrant()) + 1);
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

  /** The number of entries, counted up to `most`. */
  count(most: number): number {
    return this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM (SELECT 1 FROM sessions LIMIT ?)", most)
      .one().count;
  }

  has(session: string | null): boolean {
    return this.#sql.exec("SELECT 1 FROM sessions WHERE session = ?", session).toArray().length > 0;
  }

  /**
   * Updates an entry for a new epoch that began with the grant `grantedAt`, unless it describes a later epoch already.
   * This may arrive late: by then that epoch may have expired or changed its metadata, and what the entry already has
   * of that stays.
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
   * Removes an entry, unless it may describe another epoch than the one that is gone.
   * @param grantedAt the newest creation grant that the gone epoch had recorded; 0 if unknown
   * @param isLookedFor whether the session's object was asked and holds nothing
   */
  remove(session: string, grantedAt: number, isLookedFor: boolean, now: number): Removal {
    const entry = this.#sql
      .exec<{ granted_at: number; granted_before: number; is_arriving: number }>(
        "SELECT granted_at, granted_before, is_arriving FROM sessions WHERE session = ?",
        session,
      )
      .toArray()[0];
    if (entry === undefined) return GONE;
    const mayStillCreate = (grant: number): boolean => now - grant < GRANT_REST_MS;
    if (entry.granted_at > grantedAt) {
      if (mayStillCreate(entry.granted_at)) return { state: "held", until: entry.granted_at + GRANT_REST_MS };
      return { state: "spent", grantedAt: entry.granted_at };
    }
    // A request with the earlier grant may still be on its way, and would create a new epoch.
    if (mayStillCreate(entry.granted_before)) {
      this.#sql.exec(`UPDATE sessions SET is_arriving = ${HELD}, metadata = '{}' WHERE session = ?`, session);
      return { state: "held", until: entry.granted_before + GRANT_REST_MS };
    }
    // The earlier grant may have created an epoch since.
    if (entry.is_arriving === HELD && !isLookedFor) return { state: "spent", grantedAt: entry.granted_at };
    this.#sql.exec("DELETE FROM sessions WHERE session = ?", session);
    const last = Math.max(entry.granted_at, this.#latestRemovedGrant());
    this.#sql.exec("INSERT OR REPLACE INTO last_word (one, granted_at) VALUES (1, ?)", last);
    return GONE;
  }

  /** The latest grant for any session whose entry is removed; 0 if there was none. */
  #latestRemovedGrant(): number {
    return this.#sql.exec<{ granted_at: number }>("SELECT granted_at FROM last_word").toArray()[0]?.granted_at ?? 0;
  }

  /**
   * Shows a hidden entry again because an epoch was found after all. Raises the grant of a held entry by one, so that a
   * repeated `remove` for the gone epoch no longer matches it.
   */
  relist(session: string, metadata: Metadata): void {
    this.#sql.exec(
      `UPDATE sessions SET granted_at = granted_at + (is_arriving = ${HELD}), is_arriving = 0, metadata = ?
       WHERE session = ? AND is_arriving <> 0`,
      JSON.stringify(metadata),
      session,
    );
  }

  /** Hides an entry whose session is not complete yet, unless a later grant was given for it. */
  hide(session: string, grantedAt: number): void {
    this.#sql.exec(
      "UPDATE sessions SET is_arriving = 1, metadata = '{}' WHERE session = ? AND granted_at = ?",
      session,
      grantedAt,
    );
  }

  /** Saves metadata, unless the entry describes a later epoch or has a later change of the same epoch. */
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
   * Records an expiry or its cancellation, unless a later decision is known or the entry describes a later epoch.
   * @param decidedAt ms since 1970, by the clock of the session's object
   * @param grantedAt the newest creation grant that the epoch had recorded
   * @returns false if a later decision is known
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

  /** A page of entries, newest first. */
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
        // Only own properties: a filter by a name that every object has, such as `__proto__`, would match all sessions.
        if (!filters.every(([key, value]) => Object.hasOwn(metadata, key) && asText(metadata[key]) === value)) continue;
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
