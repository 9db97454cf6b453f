/** What a tenant's sessions used in a day, as their isolates report it. */

import { DAY_SECONDS, dayName, NOTHING_TAKEN, type Taken } from "../api/quota.ts";
import type { TakenAnswer, TakenReport } from "./taken-client.ts";

/** How many days of totals are kept, as many as of spending. */
const KEPT_DAYS = 400;
/**
 * For how many past days the report of each isolate is kept. An isolate reports on a day that is over within moments.
 */
const TOLD_DAYS = 1;
const DAY_MS = DAY_SECONDS * 1_000;

interface TakenRow extends Record<string, SqlStorageValue> {
  readonly messages: number;
  readonly tokens: number;
}

/** The tables of these counts, created with the first report. */
export class TenantTaken {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  on(day: string): Taken {
    const isThere =
      this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'taken'").toArray().length > 0;
    return isThere ? this.#read("SELECT messages, tokens FROM taken WHERE day = ?", day) : NOTHING_TAKEN;
  }

  /** Records a report, in the caller's transaction. Writes nothing if it contains nothing new. */
  note({ teller, day: ms, messages, tokens }: TakenReport): TakenAnswer {
    const day = dayName(ms);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS taken (day TEXT PRIMARY KEY, messages INTEGER NOT NULL, tokens INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS told (
        day TEXT NOT NULL,
        teller TEXT NOT NULL,
        messages INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        PRIMARY KEY (day, teller)
      ) WITHOUT ROWID;
    `);
    const before = this.#read("SELECT messages, tokens FROM told WHERE day = ? AND teller = ?", day, teller);
    // Reports may arrive out of order: the highest totals count.
    const told = { messages: Math.max(before.messages, messages), tokens: Math.max(before.tokens, tokens) };
    const news = { messages: told.messages - before.messages, tokens: told.tokens - before.tokens };
    if (news.messages > 0 || news.tokens > 0) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO told (day, teller, messages, tokens) VALUES (?, ?, ?, ?)",
        day,
        teller,
        told.messages,
        told.tokens,
      );
      this.#sql.exec(
        `INSERT INTO taken (day, messages, tokens) VALUES (?, ?, ?)
         ON CONFLICT (day) DO UPDATE SET messages = messages + excluded.messages, tokens = tokens + excluded.tokens`,
        day,
        news.messages,
        news.tokens,
      );
      this.#sql.exec("DELETE FROM taken WHERE day < ?", dayName(ms - KEPT_DAYS * DAY_MS));
      this.#sql.exec("DELETE FROM told WHERE day < ?", dayName(ms - TOLD_DAYS * DAY_MS));
    }
    return { total: this.on(day), told };
  }

  #read(query: string, ...values: readonly string[]): Taken {
    const row = this.#sql.exec<TakenRow>(query, ...values).toArray()[0];
    return row === undefined ? NOTHING_TAKEN : { messages: row.messages, tokens: row.tokens };
  }
}
