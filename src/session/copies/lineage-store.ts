import type { Seq } from "../../api/message.ts";
import {
  type EpochRef,
  number,
  numberOrNull,
  type OriginRow,
  type PendingErasure,
  type Row,
  text,
  type TableGroup,
} from "../sqlite/index.ts";

// The SQL statements about lineage: from which sessions this one took something, and which took something from it. It
// makes no decisions.

/** In a column `seq`: everything that the epoch contained. */
const EVERY_SEQ = 0;
/** In a column `seq`: all messages up to `through_seq`. */
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
  /** The last message of this session that it took; null if it took only items, which may cite any message. */
  readonly throughSeq: Seq | null;
}

/** An erasure that a copy has not confirmed, with the id of its row. */
export interface PendingErasureRow extends PendingErasure {
  readonly row: number;
}

export class LineageStore {
  readonly #sql: TableGroup;

  constructor(sql: TableGroup) {
    this.#sql = sql;
  }

  // Where this session came from

  /**
   * Adds or updates an origin. An origin of the kind `further` does not replace another kind: a session that was made
   * from that epoch stays a fork or continuation of it, even if items of the same epoch also come along with another
   * origin.
   */
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
   * Notes what was erased in an epoch, before or after its items were carried over.
   * @param via the epoch from which items of the erased one came here; null if they came from it directly
   * @returns whether it was not noted before
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

  /** Whether it is noted that the whole epoch was erased, or any of these messages of it. */
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

  /** Whether it is noted that anything of this epoch was erased. */
  hasErasuresAtSource({ epoch }: Pick<EpochRef, "epoch">): boolean {
    return this.#sql.exec("SELECT 1 FROM source_erasures WHERE epoch = ? LIMIT 1", epoch).toArray().length > 0;
  }

  forgetSourceErasures(): void {
    this.#sql.exec("DELETE FROM source_erasures");
  }

  // What was taken from it

  /**
   * Records a copy that took the messages through `throughSeq`, or only items if that is null. Idempotent. A copy that
   * was recorded with more keeps that.
   */
  putCopy(session: string, throughSeq: Seq | null): void {
    this.#sql.exec(
      `INSERT INTO copies (session, through_seq) VALUES (?, ?)
       ON CONFLICT (session) DO UPDATE SET through_seq = max(through_seq, excluded.through_seq)`,
      session,
      throughSeq,
    );
  }

  /** The copies whose names come after `after`, in the order of their names. */
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
   * Adds an erasure for every copy that took something of it, in one statement, however many copies there are.
   * @param isOfOwn whether messages of this session were erased: a copy is then told only of those that it took
   * @param root the epoch of this session that adds the rows
   */
  scheduleEveryCopy({ source, what, via }: Omit<PendingErasure, "copy">, isOfOwn: boolean, root: string): void {
    if (!this.#sql.isThere) return;
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

  /**
   * Adds an erasure for one copy. Idempotent, also if the copy has confirmed it already.
   * @param root the epoch of this session that adds the row
   */
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

  /** The unconfirmed erasures after a row. */
  pendingErasures(afterRow: number, limit: number): PendingErasureRow[] {
    return this.#sql
      .exec("SELECT * FROM pending_erasures WHERE row > ? AND is_confirmed = 0 ORDER BY row LIMIT ?", afterRow, limit)
      .toArray()
      .map(toPendingErasure);
  }

  /** The unconfirmed erasures after a row that were added by epochs which are over: all but `epoch`. */
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

  /** Whether there is any unconfirmed erasure. */
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
