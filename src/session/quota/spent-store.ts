import type { TokenCount } from "../../api/message.ts";
import { number, numberOrNull } from "../sqlite/index.ts";

/** What a session spent on one day. */
export interface Spent {
  /** Tokens, in and out, that models took for its summaries. */
  readonly summarizerTokens: TokenCount;
  /** Summaries that were made. */
  readonly summaries: number;
  /** Messages of earlier epochs of the session: those of this epoch are told from its log. */
  readonly messages: number;
  readonly messageTokens: TokenCount;
}

export const NOTHING_SPENT: Spent = { summarizerTokens: 0, summaries: 0, messages: 0, messageTokens: 0 };

/**
 * Every SQL statement about what was spent: a row a day, which outlives the versions, the jobs and the epoch that it was spent on. Nothing
 * else may be summed for a budget, since versions and jobs are deleted. It holds numbers alone.
 */
export class SpentStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** @param day its first millisecond since 1970, in UTC */
  on(day: number): Spent {
    const row = this.#sql.exec("SELECT * FROM spent WHERE day = ?", day).toArray()[0];
    if (row === undefined) return NOTHING_SPENT;
    return {
      summarizerTokens: number(row["summarizer_tokens"]),
      summaries: number(row["summaries"]),
      messages: number(row["messages"]),
      messageTokens: number(row["message_tokens"]),
    };
  }

  /** Counts what was spent, and forgets the days before. */
  add(day: number, { summarizerTokens = 0, summaries = 0, messages = 0, messageTokens = 0 }: Partial<Spent>): void {
    if (summarizerTokens + summaries + messages + messageTokens === 0) return;
    this.#sql.exec(
      `INSERT INTO spent (day, summarizer_tokens, summaries, messages, message_tokens) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (day) DO UPDATE SET
         summarizer_tokens = summarizer_tokens + excluded.summarizer_tokens,
         summaries = summaries + excluded.summaries,
         messages = messages + excluded.messages,
         message_tokens = message_tokens + excluded.message_tokens`,
      day,
      summarizerTokens,
      summaries,
      messages,
      messageTokens,
    );
    this.#sql.exec("DELETE FROM spent WHERE day < ?", day);
  }

  /** The last day that anything is known of; null if none. */
  lastDay(): number | null {
    return numberOrNull(this.#sql.exec("SELECT max(day) AS day FROM spent").one()["day"]);
  }

  clear(): void {
    this.#sql.exec("DELETE FROM spent");
  }
}
