import { type AlertBook, type AlertNotice, EMPTY_ALERT_BOOK, type PendingNotice } from "../api/alert.ts";
import { noticeDelayMs } from "../lib/retry-policy.ts";

/** How long unsent notices are kept, in ms. Older ones are too old to be useful. */
const KEPT_MS = 7 * 24 * 3_600_000;
/**
 * How many unsent notices are kept. The oldest are deleted first, because of an alert that flaps for days the latest
 * matter most. Each check reads all of them.
 */
const MAX_PENDING = 30;

interface NoticeRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly notice: string;
  readonly attempts: number;
}

/** The tables of open alerts, and of notices for the webhook. */
export class AlertStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS alert_book (one INTEGER PRIMARY KEY CHECK (one = 1), book TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS alert_notices (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        notice TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_send_at INTEGER NOT NULL
      );
    `);
  }

  readBook(): AlertBook {
    const row = this.#storage.sql.exec<{ book: string }>("SELECT book FROM alert_book").toArray()[0];
    return row === undefined ? EMPTY_ALERT_BOOK : (JSON.parse(row.book) as AlertBook);
  }

  /**
   * Saves a book and its notices, in one transaction.
   * @returns false, and saves nothing, if `rev` does not follow the stored one
   */
  saveBook(book: AlertBook, notices: readonly AlertNotice[], now: number): boolean {
    const { sql } = this.#storage;
    return this.#storage.transactionSync(() => {
      if (book.rev !== this.readBook().rev + 1) return false;
      sql.exec("INSERT OR REPLACE INTO alert_book (one, book) VALUES (1, ?)", JSON.stringify(book));
      for (const notice of notices) {
        // Of several unsent digests only the newest is useful.
        if (notice.type === "digest") sql.exec("DELETE FROM alert_notices WHERE type = 'digest'");
        sql.exec(
          "INSERT INTO alert_notices (id, type, notice, made_at, attempts, next_send_at) VALUES (?, ?, ?, ?, 0, 0)",
          notice.id,
          notice.type,
          JSON.stringify(notice),
          now,
        );
      }
      sql.exec("DELETE FROM alert_notices WHERE made_at < ?", now - KEPT_MS);
      sql.exec(
        "DELETE FROM alert_notices WHERE n IN (SELECT n FROM alert_notices ORDER BY n DESC LIMIT -1 OFFSET ?)",
        MAX_PENDING,
      );
      return true;
    });
  }

  /**
   * Returns the notices that are due, oldest first, and sets their next time, so that two checks at once do not both
   * send them.
   */
  takeNotices(limit: number, now: number): PendingNotice[] {
    const { sql } = this.#storage;
    return this.#storage.transactionSync(() => {
      const due = sql
        .exec<NoticeRow>("SELECT * FROM alert_notices WHERE next_send_at <= ? ORDER BY n LIMIT ?", now, limit)
        .toArray();
      return due.map(({ id, notice, attempts: before }) => {
        const attempts = before + 1;
        const nextSendAt = now + noticeDelayMs(before);
        sql.exec("UPDATE alert_notices SET attempts = ?, next_send_at = ? WHERE id = ?", attempts, nextSendAt, id);
        return { notice: JSON.parse(notice) as AlertNotice, attempts };
      });
    });
  }

  settleNotice(id: string): void {
    this.#storage.sql.exec("DELETE FROM alert_notices WHERE id = ?", id);
  }

  countPending(): number {
    return this.#storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM alert_notices").one().count;
  }
}
