import type { Seq } from "../../api/message.ts";
import {
  type EpochRef,
  type ErasedPart,
  number,
  numberOrNull,
  type OriginRow,
  type Row,
  type TableGroup,
  text,
} from "../sqlite/index.ts";

// The SQL statements about lineage: from which sessions this one took something, and which took something from it. It
// makes no decisions.

/** In a column `seq`: everything that the epoch contained. */
const EVERY_SEQ = 0;
/** In a column `seq`: all messages up to `through_seq`. */
const FIRST_SEQ = 1;

function columnsOf(what: ErasedPart): readonly [seq: Seq, throughSeq: Seq] {
  if (what === "all") return [EVERY_SEQ, 0];
  return typeof what === "number" ? [what, 0] : [FIRST_SEQ, what.throughSeq];
}

/** A session that has to be told of what is erased in an epoch. */
export interface Copy {
  /** The epoch whose erasures it is told of. */
  readonly root: string;
  readonly session: string;
  /** As whose messages the copy knows those of the root: as the root's own, or as those of a fork of it. */
  readonly source: EpochRef;
  /** The epoch from which it has items of `source`, if not from `source` itself. */
  readonly via: EpochRef | null;
  /** The last of these messages that it can have, also in other words; null if there is no limit. */
  readonly throughSeq: Seq | null;
  /** It has confirmed the erasures up to this row. */
  readonly confirmedRow: number;
  /** It is not told of the erasures after this row; null if there is no limit. */
  readonly untilRow: number | null;
}

/** The same, with the id of its row. */
export interface CopyRow extends Copy {
  readonly row: number;
}

/** Something that was erased: a message, or everything that an epoch contained (`seq` null). */
export interface ErasureRow {
  readonly row: number;
  readonly source: EpochRef;
  readonly seq: Seq | null;
}

/** SQL: a copy took something from this session itself. */
const IS_DIRECT = "copies.source_epoch = copies.root AND copies.via_epoch = ''";

/** SQL: there is an erasure that a copy has to be told of and has not confirmed. */
const IS_PENDING = `EXISTS (SELECT 1 FROM erasures WHERE erasures.root = copies.root
  AND erasures.row > copies.confirmed_row AND erasures.row <= coalesce(copies.until_row, ${Number.MAX_SAFE_INTEGER}))`;

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
  noteSourceErasure({ session, epoch }: EpochRef, what: ErasedPart, via: EpochRef | null): boolean {
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
   * Records a session that took the messages through `throughSeq` from this one, or only items if that is null.
   * Idempotent. A copy that was recorded with more keeps that. It is told of later erasures only: it takes nothing that
   * is erased already.
   */
  putCopy(source: EpochRef, session: string, throughSeq: Seq | null): void {
    const { epoch: root } = source;
    const [last] = this.#sql.exec("SELECT max(row) AS row FROM erasures WHERE root = ?", root).toArray();
    const confirmedRow = numberOrNull(last?.["row"]) ?? 0;
    this.addCopy({ root, session, source, via: null, throughSeq, confirmedRow, untilRow: null });
  }

  /** Adds a copy, or raises its limits if it is there. What it has confirmed stays confirmed. */
  addCopy({ root, session, source, via, throughSeq, confirmedRow, untilRow }: Copy): void {
    this.#sql.exec(
      `INSERT INTO copies (root, session, source_session, source_epoch, via_session, via_epoch, through_seq,
         confirmed_row, until_row)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (root, session, source_epoch, via_epoch) DO UPDATE
         SET through_seq = max(through_seq, excluded.through_seq), until_row = max(until_row, excluded.until_row)`,
      root,
      session,
      source.session,
      source.epoch,
      via?.session ?? "",
      via?.epoch ?? "",
      throughSeq,
      confirmedRow,
      untilRow,
    );
  }

  copy(row: number): CopyRow | null {
    const [found] = this.#sql.exec("SELECT * FROM copies WHERE row = ?", row).toArray();
    return found === undefined ? null : toCopy(found);
  }

  /** Whether a session took message `seq` of this epoch, or an item, which may say it in other words. */
  isTaken(root: string, seq: Seq): boolean {
    const taken = this.#sql.exec(
      `SELECT 1 FROM copies WHERE root = ?1 AND ${IS_DIRECT} AND coalesce(through_seq, ?2) >= ?2 LIMIT 1`,
      root,
      seq,
    );
    return taken.toArray().length > 0;
  }

  /**
   * A page of the copies that somebody who asks this session must be told of: those of other epochs than `epoch` that
   * have yet to confirm something, and, if `isOwn`, the ones that took something from `epoch`.
   */
  copiesToName(epoch: string | null, isOwn: boolean, afterRow: number, limit: number): CopyRow[] {
    return this.#sql
      .exec(
        `SELECT * FROM copies WHERE row > ?1 AND ((root IS NOT ?2 AND ${IS_PENDING}) OR (?3 AND root = ?2 AND ${IS_DIRECT}))
         ORDER BY row LIMIT ?4`,
        afterRow,
        epoch,
        isOwn ? 1 : 0,
        limit,
      )
      .toArray()
      .map(toCopy);
  }

  // What copies have yet to be told, or to confirm

  addErasure(root: string, source: EpochRef, seq: Seq | null): void {
    this.#sql.exec(
      "INSERT INTO erasures (root, source_session, source_epoch, seq) VALUES (?, ?, ?, ?)",
      root,
      source.session,
      source.epoch,
      seq ?? EVERY_SEQ,
    );
  }

  /** The erasures of an epoch in a range of rows. */
  erasures(root: string, afterRow: number, untilRow: number | null, limit: number): ErasureRow[] {
    return this.#sql
      .exec(
        "SELECT * FROM erasures WHERE root = ? AND row > ? AND row <= ? ORDER BY row LIMIT ?",
        root,
        afterRow,
        untilRow ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray()
      .map((row) => {
        const seq = number(row["seq"]);
        return {
          row: number(row["row"]),
          source: toSource(row),
          seq: seq === EVERY_SEQ ? null : seq,
        };
      });
  }

  /** The epochs that were erased as a whole with an epoch that is over. */
  erasedEpochs(root: string): EpochRef[] {
    return this.#sql
      .exec(
        `SELECT source_session, source_epoch FROM erasures WHERE root = ? AND seq = ${EVERY_SEQ} ORDER BY row`,
        root,
      )
      .toArray()
      .map(toSource);
  }

  deleteErasures(root: string): void {
    this.#sql.exec("DELETE FROM erasures WHERE root = ?", root);
  }

  /** The copies after a row that have yet to confirm something. */
  pendingCopies(afterRow: number, limit: number): CopyRow[] {
    return this.#sql
      .exec(`SELECT * FROM copies WHERE row > ? AND ${IS_PENDING} ORDER BY row LIMIT ?`, afterRow, limit)
      .toArray()
      .map(toCopy);
  }

  /** Whether any copy has yet to confirm something. */
  hasPendingErasures(): boolean {
    return this.#sql.exec("SELECT 1 FROM erasures LIMIT 1").toArray().length > 0;
  }

  /**
   * Notes that a copy has confirmed the erasures after one row through another. It changes nothing if the copy has not
   * confirmed those before: they would be taken for confirmed too.
   * @returns whether it changed anything
   */
  confirmErasures(copy: number, afterRow: number, throughRow: number): boolean {
    const moved = this.#sql.exec(
      "UPDATE copies SET confirmed_row = ?1 WHERE row = ?2 AND confirmed_row >= ?3 AND confirmed_row < ?1 RETURNING row",
      throughRow,
      copy,
      afterRow,
    );
    return moved.toArray().length > 0;
  }

  /** Deletes all erasures, and every copy but those that took something from `epoch`. */
  clearErasures(epoch: string | null): void {
    this.#sql.exec("DELETE FROM erasures");
    this.#sql.exec(`DELETE FROM copies WHERE root IS NOT ? OR NOT (${IS_DIRECT})`, epoch);
  }
}

function toCopy(row: Row): CopyRow {
  const viaEpoch = text(row["via_epoch"]);
  return {
    row: number(row["row"]),
    root: text(row["root"]),
    session: text(row["session"]),
    source: toSource(row),
    via: viaEpoch === "" ? null : { session: text(row["via_session"]), epoch: viaEpoch },
    throughSeq: numberOrNull(row["through_seq"]),
    confirmedRow: number(row["confirmed_row"]),
    untilRow: numberOrNull(row["until_row"]),
  };
}

function toSource(row: Row): EpochRef {
  return { session: text(row["source_session"]), epoch: text(row["source_epoch"]) };
}
