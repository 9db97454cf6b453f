import { type AlertBook, type AlertNotice, EMPTY_ALERT_BOOK, type PendingNotice } from "../api/alert.ts";
import { noticeDelayMs } from "../lib/retry-policy.ts";

/** A webhook that is away for longer is told no more of what is then long past. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** Past it the oldest go: of an alert that flaps for days the last are worth the most. Each look reads all of them. */
const MAX_PENDING = 30;

interface NoticeRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly notice: string;
  readonly attempts: number;
}

/** The tables of what stands, and of what the webhook has to be told. */
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

  /** In one transaction. @returns false, and nothing is kept, unless it follows what is there */
  saveBook(book: AlertBook, notices: readonly AlertNotice[], now: number): boolean {
    const { sql } = this.#storage;
    return this.#storage.transactionSync(() => {
      if (book.rev !== this.readBook().rev + 1) return false;
      sql.exec("INSERT OR REPLACE INTO alert_book (one, book) VALUES (1, ?)", JSON.stringify(book));
      for (const notice of notices) {
        // Of digests that nobody took the newest says all that is still of use.
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

  /** What is due, the oldest first; with the pause before the next time, so that two checks at a time do not both send it. */
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
