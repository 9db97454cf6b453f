import type { TokenCount } from "../../api/message.ts";
import { number, numberOrNull, type TableGroup } from "../sqlite/index.ts";

/** What a session used on one day. */
export interface Spent {
  /** Input and output tokens that models used for its summaries and vectors. */
  readonly summarizerTokens: TokenCount;
  /** How many summaries were made. */
  readonly summaries: number;
  /** Messages of earlier epochs. Those of the current epoch are counted from its log. */
  readonly messages: number;
  /** The tokens of these messages. */
  readonly messageTokens: TokenCount;
}

export const NOTHING_SPENT: Spent = { summarizerTokens: 0, summaries: 0, messages: 0, messageTokens: 0 };

/**
 * All SQL statements for daily usage. One row a day, which remains when the versions, the jobs and the epoch that it
 * was spent on are deleted; so budgets must be computed from these rows alone. They hold numbers only.
 */
export class SpentStore {
  readonly #sql: TableGroup;

  constructor(sql: TableGroup) {
    this.#sql = sql;
  }

  /**
   * What was used on a day.
   * @param day its first millisecond (UTC), in ms since 1970
   */
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

  /** Adds to a day, and deletes earlier days. */
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

  /** The newest day that has a row, as its first millisecond since 1970; null if there is none. */
  lastDay(): number | null {
    return numberOrNull(this.#sql.exec("SELECT max(day) AS day FROM spent").toArray()[0]?.["day"]);
  }

  clear(): void {
    this.#sql.exec("DELETE FROM spent");
  }
}
