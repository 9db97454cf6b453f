import type { LateWork } from "./late-work-client.ts";

/**
 * An entry that was not reported again for this many ms is dropped. A job that is still late is reported well before:
 * the longest pause between two sends is six minutes, except while the queue has a backlog, which has an alert of its
 * own.
 */
const FORGOTTEN_AFTER_MS = 900_000;
/**
 * How many late jobs are kept, the oldest. Alerts only need the oldest, and the others are reported again while they
 * are late. Each check reads all of them.
 */
const MAX_LATE_WORK = 25;

/** The table of late jobs. Entries that are not reported any more are dropped, since the session may be gone. */
export class LateWorkStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS late_work (
        job_id TEXT PRIMARY KEY,
        scheduled_at INTEGER NOT NULL,
        noted_at INTEGER NOT NULL
      ) WITHOUT ROWID
    `);
  }

  note({ jobId, scheduledAt }: LateWork, now: number): void {
    this.#sql.exec("DELETE FROM late_work WHERE noted_at <= ?", now - FORGOTTEN_AFTER_MS);
    this.#sql.exec(
      "INSERT OR REPLACE INTO late_work (job_id, scheduled_at, noted_at) VALUES (?, ?, ?)",
      jobId,
      scheduledAt,
      now,
    );
    this.#sql.exec(
      "DELETE FROM late_work WHERE job_id IN (SELECT job_id FROM late_work ORDER BY scheduled_at, job_id LIMIT -1 OFFSET ?)",
      MAX_LATE_WORK,
    );
  }

  settle(jobId: string): void {
    this.#sql.exec("DELETE FROM late_work WHERE job_id = ?", jobId);
  }

  /** When the oldest late job was scheduled, in ms since 1970; null if none is late. */
  oldestScheduledAt(now: number): number | null {
    return this.#sql
      .exec<{
        at: number | null;
      }>("SELECT min(scheduled_at) AS at FROM late_work WHERE noted_at > ?", now - FORGOTTEN_AFTER_MS)
      .one().at;
  }
}
