/** What a tenant's sessions took in a day, as their isolates tell it. */

import { DAY_SECONDS, dayName, NOTHING_TAKEN, type Taken } from "../api/quota.ts";
import type { TakenAnswer, TakenReport } from "./taken-client.ts";

/** Days whose count is kept: as long as spending is. */
const KEPT_DAYS = 400;
/** Past days of which it is kept what each isolate told: an isolate tells of a day that is over within moments. */
const TOLD_DAYS = 1;
const DAY_MS = DAY_SECONDS * 1_000;

interface TakenRow extends Record<string, SqlStorageValue> {
  readonly messages: number;
  readonly tokens: number;
}

/** The tables of it, made with the first report. */
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

  /** Runs in the caller's transaction. What was told before writes nothing. */
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
    // A report that comes late tells less than one that overtook it.
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
