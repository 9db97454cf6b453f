import type { Seq } from "../contracts/message.ts";
import { number, numberOrNull, type OriginRow, type OwedErasure, text } from "./rows.ts";

/** Every SQL statement about where a session came from, and what was taken from it. No decision is taken here. */

/** Stands in `owed_erasures.seq` for all that was said. */
export const EVERY_SEQ = 0;

export class LineageStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // Where this session came from

  putOrigin(origin: OriginRow): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO origins (session, incarnation, kind, through_seq, state) VALUES (?, ?, ?, ?, ?)",
      origin.session,
      origin.incarnation,
      origin.kind,
      origin.throughSeq,
      origin.state,
    );
  }

  origins(): OriginRow[] {
    return this.#sql
      .exec("SELECT * FROM origins ORDER BY session")
      .toArray()
      .map((row) => ({
        session: text(row["session"]),
        incarnation: text(row["incarnation"]),
        kind: text(row["kind"]) as OriginRow["kind"],
        throughSeq: number(row["through_seq"]),
        state: text(row["state"]) as OriginRow["state"],
      }));
  }

  deleteOrigin(session: string): void {
    this.#sql.exec("DELETE FROM origins WHERE session = ?", session);
  }

  clearOrigins(): void {
    this.#sql.exec("DELETE FROM origins");
    this.#sql.exec("DELETE FROM heard_erasures");
  }

  /**
   * Notes what was erased there, before it was carried over or after; null for all.
   * @returns whether any of it is news
   */
  hear(session: string, seqs: readonly Seq[] | null): boolean {
    let isNews = false;
    for (const seq of seqs ?? [EVERY_SEQ]) {
      const { rowsWritten } = this.#sql.exec(
        "INSERT OR IGNORE INTO heard_erasures (session, seq) VALUES (?, ?)",
        session,
        seq,
      );
      isNews ||= rowsWritten > 0;
    }
    return isNews;
  }

  /** What was heard of each session. */
  heard(): Map<string, Set<Seq>> {
    const heard = new Map<string, Set<Seq>>();
    for (const row of this.#sql.exec("SELECT session, seq FROM heard_erasures").toArray()) {
      const session = text(row["session"]);
      heard.set(session, (heard.get(session) ?? new Set()).add(number(row["seq"])));
    }
    return heard;
  }

  /** The same, and forgets it. */
  takeHeard(): Map<string, Set<Seq>> {
    const heard = this.heard();
    this.#sql.exec("DELETE FROM heard_erasures");
    return heard;
  }

  // What was taken from it

  /** Notes a copy of the messages through `throughSeq`; of items alone if that is null. Idempotent, and never takes back. */
  putCopy(session: string, throughSeq: Seq | null): void {
    this.#sql.exec(
      `INSERT INTO copies (session, through_seq) VALUES (?, ?)
       ON CONFLICT (session) DO UPDATE SET through_seq = max(through_seq, excluded.through_seq)`,
      session,
      throughSeq,
    );
  }

  /** Every copy, with the last of our messages that it took; null where it took items alone, which may cite any. */
  copies(): { readonly session: string; readonly throughSeq: Seq | null }[] {
    return this.#sql
      .exec("SELECT session, through_seq FROM copies ORDER BY session")
      .toArray()
      .map((row) => ({ session: text(row["session"]), throughSeq: numberOrNull(row["through_seq"]) }));
  }

  clearCopies(): void {
    this.#sql.exec("DELETE FROM copies");
  }

  // What copies have yet to be told

  oweErasure({ copy, source, seq }: OwedErasure): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO owed_erasures (copy, source_session, source_incarnation, seq) VALUES (?, ?, ?, ?)`,
      copy,
      source.session,
      source.incarnation,
      seq,
    );
  }

  owedErasures(limit: number): OwedErasure[] {
    return this.#sql
      .exec("SELECT * FROM owed_erasures ORDER BY copy, source_session, source_incarnation, seq LIMIT ?", limit)
      .toArray()
      .map((row) => ({
        copy: text(row["copy"]),
        source: { session: text(row["source_session"]), incarnation: text(row["source_incarnation"]) },
        seq: number(row["seq"]),
      }));
  }

  /** Whether a copy has yet to be told anything. */
  owesErasures(): boolean {
    return this.#sql.exec("SELECT 1 FROM owed_erasures LIMIT 1").toArray().length > 0;
  }

  deleteOwedErasure({ copy, source, seq }: OwedErasure): void {
    this.#sql.exec(
      "DELETE FROM owed_erasures WHERE copy = ? AND source_session = ? AND source_incarnation = ? AND seq = ?",
      copy,
      source.session,
      source.incarnation,
      seq,
    );
  }
}
