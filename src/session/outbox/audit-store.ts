import type { AuditActor, RawAuditEvent } from "../../api/audit.ts";
import type { Seq } from "../../api/message.ts";
import type { Changes } from "../changes.ts";
import { number, numberOrNull, stored, text, type TableGroup } from "../sqlite/index.ts";

/** The current range of appends, which is not scheduled for the audit log yet. */
export interface AppendingRow {
  readonly fromSeq: Seq;
  /** When the first of them was appended, in ms since 1970. */
  readonly startedAt: number;
  readonly actors: readonly AuditActor[];
}

/** Events that are pending until the audit queue has accepted them. */
export interface PendingAuditRow {
  readonly id: string;
  readonly events: readonly RawAuditEvent[];
  /** How often they were sent to the queue. */
  readonly sends: number;
}

/**
 * How many rows one alarm sends. Each is a queue message with a range of appends by up to eight principals, a few KB;
 * an alarm has no time for a thousand.
 */
const MAX_DUE_AT_ONCE = 50;

/** All SQL statements for audit events. This class decides nothing. */
export class AuditStore {
  readonly #sql: TableGroup;
  readonly #session: TableGroup;
  readonly #changes: Changes;
  /** Cache of `nextSendAt`, because each commit asks for it; undefined if it was not read yet. */
  #nextSendAt: number | null | undefined;
  /** The current range, as cached within a call. */
  #appending: AppendingRow | null | undefined;

  /** @param session the group of the session's row, which has the current range of appends */
  constructor(sql: TableGroup, session: TableGroup, changes: Changes) {
    this.#sql = sql;
    this.#session = session;
    this.#changes = changes;
  }

  /** Clears the caches after a rollback, since they may hold what was never committed. */
  forget(): void {
    this.#nextSendAt = undefined;
    this.beginCall();
  }

  beginCall(): void {
    this.#appending = undefined;
  }

  #noteWrite(): void {
    this.forget();
    this.#changes.isRescheduled = true;
  }

  /** The current range; null if nothing was appended since the last one was scheduled. */
  appending(): AppendingRow | null {
    if (this.#appending === undefined) {
      const row = this.#session.exec("SELECT appending FROM session WHERE one = 1").toArray()[0];
      const appending = row?.["appending"] ?? null;
      this.#appending = appending === null ? null : stored<AppendingRow>(appending);
    }
    return this.#appending;
  }

  putAppending(appending: AppendingRow): void {
    this.#appending = undefined;
    this.#session.exec("UPDATE session SET appending = ? WHERE one = 1", JSON.stringify(appending));
  }

  clearAppending(): void {
    this.#noteWrite();
    this.#session.exec("UPDATE session SET appending = NULL WHERE one = 1");
  }

  /**
   * Adds events to be sent from `nextSendAt` (ms since 1970) on. Idempotent: an id that is pending already is ignored.
   */
  schedule(id: string, events: readonly RawAuditEvent[], nextSendAt: number): void {
    this.#noteWrite();
    this.#sql.exec(
      "INSERT OR IGNORE INTO pending_audits (id, events, sends, next_send_at) VALUES (?, ?, 0, ?)",
      id,
      JSON.stringify(events),
      nextSendAt,
    );
  }

  /**
   * The events that are due, the longest overdue first, at most `MAX_DUE_AT_ONCE` rows. The next alarm sends the rest.
   */
  due(now: number): PendingAuditRow[] {
    return this.#sql
      .exec(
        `SELECT id, events, sends FROM pending_audits WHERE next_send_at <= ? ORDER BY next_send_at, id LIMIT ${MAX_DUE_AT_ONCE}`,
        now,
      )
      .toArray()
      .map((row) => ({
        id: text(row["id"]),
        events: stored<RawAuditEvent[]>(row["events"]),
        sends: number(row["sends"]),
      }));
  }

  noteSend(id: string, sends: number, nextSendAt: number): void {
    this.#noteWrite();
    this.#sql.exec("UPDATE pending_audits SET sends = ?, next_send_at = ? WHERE id = ?", sends, nextSendAt, id);
  }

  /** Deletes events that the queue has accepted. */
  settle(id: string): void {
    this.#noteWrite();
    this.#sql.exec("DELETE FROM pending_audits WHERE id = ?", id);
  }

  /** When the next events are due, in ms since 1970; null if none are pending. */
  nextSendAt(): number | null {
    if (this.#nextSendAt === undefined) {
      const row = this.#sql.exec("SELECT min(next_send_at) AS at FROM pending_audits").toArray()[0];
      this.#nextSendAt = numberOrNull(row?.["at"]);
    }
    return this.#nextSendAt;
  }
}
