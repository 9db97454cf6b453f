import type { AuditActor, RawAuditEvent } from "../../api/audit.ts";
import type { Seq } from "../../api/message.ts";
import type { Changes } from "../changes.ts";
import { number, numberOrNull, stored, text } from "../sqlite/index.ts";

/** Appends that the audit has yet to be told of, as one range. */
export interface AppendingRow {
  readonly fromSeq: Seq;
  /** When the first of them came, ms since 1970. */
  readonly startedAt: number;
  readonly actors: readonly AuditActor[];
}

/** Events that are owed to the audit until its queue has taken them. */
export interface PendingAuditRow {
  readonly id: string;
  readonly events: readonly RawAuditEvent[];
  readonly sends: number;
}

/** Each is a range of appends by up to eight principals, some KB, and a message to the queue: an alarm has no time for a thousand. */
const MAX_DUE_AT_ONCE = 50;

/** Every SQL statement about the audit. No decision is taken here. */
export class AuditStore {
  readonly #sql: SqlStorage;
  readonly #changes: Changes;
  /** Undefined until read: each commit asks. */
  #nextSendAt: number | null | undefined;

  constructor(sql: SqlStorage, changes: Changes) {
    this.#sql = sql;
    this.#changes = changes;
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
  forget(): void {
    this.#nextSendAt = undefined;
  }

  #noteWrite(): void {
    this.forget();
    this.#changes.isRescheduled = true;
  }

  appending(): AppendingRow | null {
    const row = this.#sql.exec("SELECT from_seq, started_at, actors FROM appending WHERE one = 1").toArray()[0];
    if (row === undefined) return null;
    return {
      fromSeq: number(row["from_seq"]),
      startedAt: number(row["started_at"]),
      actors: stored<AuditActor[]>(row["actors"]),
    };
  }

  putAppending({ fromSeq, startedAt, actors }: AppendingRow): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO appending (one, from_seq, started_at, actors) VALUES (1, ?, ?, ?)",
      fromSeq,
      startedAt,
      JSON.stringify(actors),
    );
  }

  clearAppending(): void {
    this.#noteWrite();
    this.#sql.exec("DELETE FROM appending");
  }

  schedule(id: string, events: readonly RawAuditEvent[], nextSendAt: number): void {
    this.#noteWrite();
    this.#sql.exec(
      "INSERT OR IGNORE INTO pending_audits (id, events, sends, next_send_at) VALUES (?, ?, 0, ?)",
      id,
      JSON.stringify(events),
      nextSendAt,
    );
  }

  /** Some of what is due, the longest due first: the next alarm takes the rest. */
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

  settle(id: string): void {
    this.#noteWrite();
    this.#sql.exec("DELETE FROM pending_audits WHERE id = ?", id);
  }

  /** When something is to be sent; null if nothing is pending. */
  nextSendAt(): number | null {
    if (this.#nextSendAt === undefined) {
      const row = this.#sql.exec("SELECT min(next_send_at) AS at FROM pending_audits").toArray()[0];
      this.#nextSendAt = numberOrNull(row?.["at"]);
    }
    return this.#nextSendAt;
  }
}
