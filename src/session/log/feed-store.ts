import { number, numberOrNull, type Row, text, type TableGroup } from "../sqlite/index.ts";
import type { Change } from "./feed.ts";

// The SQL statements about the live feed and its tickets. It makes no decisions.

export class FeedStore {
  readonly #sql: TableGroup;

  constructor(sql: TableGroup) {
    this.#sql = sql;
  }

  insert(change: Change): void {
    this.#sql.exec(
      "INSERT INTO changes (rev, head_seq, kind, seq, through_seq, version, degraded) VALUES (?, ?, ?, ?, ?, ?, ?)",
      change.rev,
      change.headSeq,
      change.kind,
      change.seq,
      change.throughSeq,
      change.version,
      change.degraded ? 1 : 0,
    );
  }

  /** The oldest stored change; null if there is none. */
  first(): Change | null {
    return this.#one("SELECT * FROM changes ORDER BY rev LIMIT 1");
  }

  /** The last stored change with at most this rev; null if there is none. */
  lastThrough(rev: number = Number.MAX_SAFE_INTEGER): Change | null {
    return this.#one("SELECT * FROM changes WHERE rev <= ? ORDER BY rev DESC LIMIT 1", rev);
  }

  /** The changes after a rev, the oldest first. */
  after(rev: number, limit: number): Change[] {
    return this.#sql
      .exec("SELECT * FROM changes WHERE rev > ? ORDER BY rev LIMIT ?", rev, limit)
      .toArray()
      .map(toChange);
  }

  /** Deletes the changes up to the `count`-th one since the session began. */
  forgetFirst(count: number): void {
    this.#sql.exec("DELETE FROM changes WHERE rev - head_seq <= ?", count);
  }

  clear(): void {
    this.#sql.exec("DELETE FROM changes");
  }

  // Tickets

  isTicketUsed(id: string): boolean {
    return this.#sql.exec("SELECT 1 FROM used_tickets WHERE id = ?", id).toArray().length > 0;
  }

  useTicket(id: string, expiresAt: number, now: number): void {
    this.#sql.exec("DELETE FROM used_tickets WHERE expires_at < ?", now);
    this.#sql.exec("INSERT INTO used_tickets (id, expires_at) VALUES (?, ?)", id, expiresAt);
  }

  #one(query: string, ...bindings: number[]): Change | null {
    const row = this.#sql.exec(query, ...bindings).toArray()[0];
    return row === undefined ? null : toChange(row);
  }
}

function toChange(row: Row): Change {
  return {
    rev: number(row["rev"]),
    headSeq: number(row["head_seq"]),
    kind: text(row["kind"]) as Change["kind"],
    seq: numberOrNull(row["seq"]),
    throughSeq: numberOrNull(row["through_seq"]),
    version: numberOrNull(row["version"]),
    degraded: number(row["degraded"]) === 1,
  };
}
