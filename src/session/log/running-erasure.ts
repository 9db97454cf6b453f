import type { Seq } from "../../api/message.ts";
import { number, type Row, type TableGroup } from "../sqlite/index.ts";

// The SQL statements about an erasure that is too large for one transaction.

/**
 * A running erasure: all messages through `throughSeq` count as erased, but the text of some is still to be
 * overwritten, step by step.
 */
export interface Erasing {
  readonly throughSeq: Seq;
  readonly erasedAt: number;
  /** The last message whose text is overwritten. */
  readonly doneSeq: Seq;
}

/** The columns of an erased message. */
const ERASED = {
  content: null,
  author: null,
  metadata: null,
  occurred_at: null,
  edited_at: null,
  pinned: 0,
  hash: null,
  tokens: 0,
  bytes: 0,
  held_bytes: 0,
};

export class RunningErasure {
  readonly #sql: TableGroup;
  /** Undefined if it has not been read. */
  #erasing: Erasing | null | undefined;

  constructor(sql: TableGroup) {
    this.#sql = sql;
  }

  /** Clears what was cached: a transaction was rolled back, and what was read may be from inside it. */
  forget(): void {
    this.#erasing = undefined;
  }

  /** The row as erased if it is part of a running erasure, whether its text was overwritten already or not. */
  standing(row: Row): Row {
    const erasing = this.read();
    if (erasing === null || number(row["seq"]) > erasing.throughSeq) return row;
    return { ...row, ...ERASED, erased_at: row["erased_at"] ?? erasing.erasedAt };
  }

  /** The erasure that is running; null if none is. */
  read(): Erasing | null {
    if (this.#erasing === undefined) {
      const row = this.#sql.exec("SELECT * FROM erasing WHERE one = 1").toArray()[0];
      this.#erasing =
        row === undefined
          ? null
          : {
              throughSeq: number(row["through_seq"]),
              erasedAt: number(row["erased_at"]),
              doneSeq: number(row["done_seq"]),
            };
    }
    return this.#erasing;
  }

  /** Whether the text of erased messages is still to be overwritten. */
  isRunning(): boolean {
    return this.read() !== null;
  }

  /** The last message that counts as erased because of it; 0 if none is running. */
  throughSeq(): Seq {
    return this.read()?.throughSeq ?? 0;
  }

  /** Begins an erasure, or extends the one that is running. */
  begin(throughSeq: Seq, erasedAt: number): void {
    this.#sql.exec(
      `INSERT INTO erasing (one, through_seq, erased_at) VALUES (1, ?, ?)
       ON CONFLICT (one) DO UPDATE SET through_seq = max(through_seq, excluded.through_seq)`,
      throughSeq,
      erasedAt,
    );
    this.#erasing = undefined;
  }

  /** Records that the text of the messages up to one is overwritten. */
  noteDone(doneSeq: Seq): void {
    this.#sql.exec("UPDATE erasing SET done_seq = ?", doneSeq);
    this.#erasing = undefined;
  }

  end(): void {
    this.#sql.exec("DELETE FROM erasing");
    this.#erasing = undefined;
  }
}
