import type { Seq } from "../../api/message.ts";
import {
  type EpochRef,
  number,
  numberOrNull,
  type OriginRow,
  type PendingErasure,
  type Row,
  text,
} from "../sqlite/index.ts";

/** Every SQL statement about where a session came from, and what was taken from it. No decision is taken here. */

/** Stands in a column `seq` for all that was said. */
const EVERY_SEQ = 0;
/** Stands in a column `seq` for all up to `through_seq`. */
const FIRST_SEQ = 1;

type What = PendingErasure["what"];

function columnsOf(what: What): readonly [seq: Seq, throughSeq: Seq] {
  if (what === "all") return [EVERY_SEQ, 0];
  return typeof what === "number" ? [what, 0] : [FIRST_SEQ, what.throughSeq];
}

function whatOf(seq: Seq, throughSeq: Seq): What {
  if (seq === EVERY_SEQ) return "all";
  return throughSeq === 0 ? seq : { throughSeq };
}

/** A session that took something from this one. */
export interface Copy {
  readonly session: string;
  /** The last of our messages that it took; null where it took items alone, which may cite any. */
  readonly throughSeq: Seq | null;
}

/** What is owed to a copy, and the row that says so. */
export interface PendingErasureRow extends PendingErasure {
  readonly row: number;
}

export class LineageStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // Where this session came from

  /** What a session was made of stays that, though items of the same epoch come along with those of another. */
  putOrigin(origin: OriginRow): void {
    this.#sql.exec(
      `INSERT INTO origins (session, epoch, kind, through_seq, state) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (session, epoch) DO UPDATE
         SET kind = excluded.kind, through_seq = excluded.through_seq, state = excluded.state
         WHERE excluded.kind <> 'further' OR origins.state = 'lost'`,
      origin.session,
      origin.epoch,
      origin.kind,
      origin.throughSeq,
      origin.state,
    );
  }

  origins(): OriginRow[] {
    return this.#sql
      .exec("SELECT * FROM origins ORDER BY session, epoch")
      .toArray()
      .map((row) => ({
        session: text(row["session"]),
        epoch: text(row["epoch"]),
        kind: text(row["kind"]) as OriginRow["kind"],
        throughSeq: number(row["through_seq"]),
        state: text(row["state"]) as OriginRow["state"],
      }));
  }

  deleteOrigin({ session, epoch }: EpochRef): void {
    this.#sql.exec("DELETE FROM origins WHERE session = ? AND epoch = ?", session, epoch);
  }

  clearOrigins(): void {
    this.#sql.exec("DELETE FROM origins");
    this.#sql.exec("DELETE FROM source_erasures");
  }

  /**
   * Notes what was erased of an epoch, before it was carried over or after.
   * @param via the epoch by which items of that one came here as well; null where it is told by itself
   * @returns whether it is news
   */
  noteSourceErasure({ session, epoch }: EpochRef, what: What, via: EpochRef | null): boolean {
    const { rowsWritten } = this.#sql.exec(
      "INSERT OR IGNORE INTO source_erasures (session, epoch, seq, through_seq, via) VALUES (?, ?, ?, ?, ?)",
      session,
      epoch,
      ...columnsOf(what),
      via?.epoch ?? "",
    );
    return rowsWritten > 0;
  }

  /** Whether all of an epoch was heard to be erased, or any of these messages of it. */
  isErasedAtSource({ epoch }: Pick<EpochRef, "epoch">, seqs: readonly Seq[]): boolean {
    const found = this.#sql.exec(
      `SELECT 1 FROM source_erasures WHERE epoch = ?1 AND (
         (seq = ${EVERY_SEQ} AND through_seq = 0)
         OR (through_seq > 0 AND through_seq >= ?2)
         OR (through_seq = 0 AND seq IN (SELECT value FROM json_each(?3))))
       LIMIT 1`,
      epoch,
      seqs.reduce((lowest, seq) => Math.min(lowest, seq), Number.MAX_SAFE_INTEGER),
      JSON.stringify(seqs),
    );
    return found.toArray().length > 0;
  }

  forgetSourceErasures(): void {
    this.#sql.exec("DELETE FROM source_erasures");
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

  /** By name, those after one. */
  copies(after: string, limit: number): Copy[] {
    return this.#sql
      .exec("SELECT session, through_seq FROM copies WHERE session > ? ORDER BY session LIMIT ?", after, limit)
      .toArray()
      .map((row) => ({ session: text(row["session"]), throughSeq: numberOrNull(row["through_seq"]) }));
  }

  clearCopies(): void {
    this.#sql.exec("DELETE FROM copies");
  }

  // What copies have yet to be told, or to confirm

  /**
   * The same for every copy that has it: of messages those that took them, of all else every one. However many there are, none is read.
   * @param isOfOwn messages of this session are meant, of which each copy took those through one of them
   */
  scheduleEveryCopy({ source, what, via }: Omit<PendingErasure, "copy">, isOfOwn: boolean, root: string): void {
    const [seq, throughSeq] = columnsOf(what);
    this.#sql.exec(
      `INSERT OR IGNORE INTO pending_erasures
         (copy, source_session, source_epoch, seq, through_seq, via_session, via_epoch, root)
       SELECT session, ?1, ?2, ?3, CASE WHEN ?9 THEN min(?5, coalesce(copies.through_seq, ?5)) ELSE ?5 END, ?6, ?7, ?8
       FROM copies WHERE ?10 = 0 OR copies.through_seq IS NULL OR copies.through_seq >= ?4`,
      source.session,
      source.epoch,
      seq,
      seq,
      throughSeq,
      via?.session ?? "",
      via?.epoch ?? "",
      root,
      isOfOwn && throughSeq > 0 ? 1 : 0,
      isOfOwn && what !== "all" ? 1 : 0,
    );
  }

  /** Idempotent, also once the copy has confirmed it. @param root the epoch of this session that keeps it */
  scheduleErasure({ copy, source, what, via }: PendingErasure, root: string): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO pending_erasures
         (copy, source_session, source_epoch, seq, through_seq, via_session, via_epoch, root)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      copy,
      source.session,
      source.epoch,
      ...columnsOf(what),
      via?.session ?? "",
      via?.epoch ?? "",
      root,
    );
  }

  /** Those that nobody confirmed, after a row. */
  pendingErasures(afterRow: number, limit: number): PendingErasureRow[] {
    return this.#sql
      .exec("SELECT * FROM pending_erasures WHERE row > ? AND is_confirmed = 0 ORDER BY row LIMIT ?", afterRow, limit)
      .toArray()
      .map(toPendingErasure);
  }

  /** Those after a row that epochs owe which are over: all but `epoch`. */
  pendingOfOthers(epoch: string | null, afterRow: number, limit: number): PendingErasureRow[] {
    return this.#sql
      .exec(
        "SELECT * FROM pending_erasures WHERE row > ? AND is_confirmed = 0 AND root IS NOT ? ORDER BY row LIMIT ?",
        afterRow,
        epoch,
        limit,
      )
      .toArray()
      .map(toPendingErasure);
  }

  /** Whether a copy has yet to be told anything, or to confirm it. */
  hasPendingErasures(): boolean {
    return this.#sql.exec("SELECT 1 FROM pending_erasures WHERE is_confirmed = 0 LIMIT 1").toArray().length > 0;
  }

  confirmErasures(rows: readonly number[]): void {
    this.#sql.exec(
      "UPDATE pending_erasures SET is_confirmed = 1 WHERE row IN (SELECT value FROM json_each(?))",
      JSON.stringify(rows),
    );
  }

  clearPendingErasures(): void {
    this.#sql.exec("DELETE FROM pending_erasures");
  }
}

function toPendingErasure(row: Row): PendingErasureRow {
  const viaEpoch = text(row["via_epoch"]);
  return {
    row: number(row["row"]),
    copy: text(row["copy"]),
    source: { session: text(row["source_session"]), epoch: text(row["source_epoch"]) },
    what: whatOf(number(row["seq"]), number(row["through_seq"])),
    via: viaEpoch === "" ? null : { session: text(row["via_session"]), epoch: viaEpoch },
  };
}
