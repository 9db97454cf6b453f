import type { Seq } from "../../api/message.ts";
import {
  type Branch,
  type BranchPoint,
  branchThrough,
  offBefore,
  type SeqRange,
  Siblings,
} from "../../prompt/branch.ts";
import type { Changes } from "../changes.ts";
import { number, type TableGroup } from "../sqlite/index.ts";

// The SQL statements about the branches of the log. It makes no decisions. A session that never branched has no rows.

/**
 * The seq of the row that says what the next message follows. Once written, the row stays: it shows that the session
 * has had several branches, so that a version of the summary may cover less than the one before it.
 */
const NEXT: Seq = 0;
/** In that row: the next message follows the newest one. */
const NEWEST = -1;

/** The rows of the table, as cached. */
interface Read {
  /** Every message has always been on the active branch. */
  isSole: boolean;
  /** The messages that do not follow the one right before them, by rising seq. */
  readonly points: BranchPoint[];
  readonly afterOf: Map<Seq, Seq>;
  /** Those for which the client named the message that they follow. */
  readonly named: Set<Seq>;
  /** What the next message follows; null if that is the newest message. */
  followed: Seq | null;
  /** The messages before the head of the active branch that are not on it; null if they have not been computed. */
  off: readonly SeqRange[] | null;
}

export class BranchStore {
  readonly #sql: TableGroup;
  readonly #changes: Changes;
  /** Undefined if the rows are not cached. */
  #read: Read | undefined;

  constructor(sql: TableGroup, changes: Changes) {
    this.#sql = sql;
    this.#changes = changes;
  }

  /** Clears the cache: a transaction was rolled back, and the cached rows may be from inside it. */
  forget(): void {
    this.#read = undefined;
  }

  #known(): Read {
    return (this.#read ??= this.#readAll());
  }

  #readAll(): Read {
    const rows = this.#sql.exec("SELECT seq, after_seq, is_named FROM branches ORDER BY seq").toArray();
    const read: Read = {
      isSole: rows.length === 0,
      points: [],
      afterOf: new Map(),
      named: new Set(),
      followed: null,
      off: null,
    };
    for (const row of rows) {
      const [seq, afterSeq] = [number(row["seq"]), number(row["after_seq"])];
      if (seq !== NEXT) note(read, { seq, afterSeq }, number(row["is_named"]) === 1);
      else if (afterSeq !== NEWEST) read.followed = afterSeq;
    }
    return read;
  }

  /** Whether every message has always been on the active branch. */
  get isSole(): boolean {
    return this.#known().isSole;
  }

  /** How many messages do not follow the one right before them. */
  get count(): number {
    return this.#known().points.length;
  }

  /** The messages that do not follow the one right before them, by rising seq. */
  points(): readonly BranchPoint[] {
    return this.#known().points;
  }

  /** The message that a message follows; null if that is the one right before it. */
  afterOf(seq: Seq): Seq | null {
    return this.#known().afterOf.get(seq) ?? null;
  }

  /** Whether the client named the message that a message follows, and it is not the one right before it. */
  isNamed(seq: Seq): boolean {
    return this.#known().named.has(seq);
  }

  /**
   * The active branch.
   * @param newestSeq the newest message of the log
   */
  active(newestSeq: Seq): Branch {
    const known = this.#known();
    const { followed, isSole } = known;
    const off = (known.off ??= offBefore(known.points, followed ?? Number.POSITIVE_INFINITY));
    return { headSeq: followed ?? newestSeq, off, isSole };
  }

  /** The branch that ends with a message. */
  through(seq: Seq): Branch {
    const { points, isSole } = this.#known();
    return branchThrough(points, seq, isSole);
  }

  /**
   * Finds the alternatives of messages: those that follow the same message.
   * @param newestSeq the newest message of the log
   */
  siblings(newestSeq: Seq): Siblings {
    return new Siblings(this.#known().points, newestSeq);
  }

  /**
   * Records what a new message follows. That message is on the active branch from now on.
   * @param isNamed whether the client named it
   */
  insert(point: BranchPoint, isNamed: boolean): void {
    const known = this.#known();
    this.#sql.exec(
      "INSERT INTO branches (seq, after_seq, is_named) VALUES (?, ?, ?)",
      point.seq,
      point.afterSeq,
      isNamed ? 1 : 0,
    );
    known.isSole = false;
    note(known, point, isNamed);
  }

  /** Makes a message the head of the active branch; null: the newest one. */
  follow(seq: Seq | null): void {
    const known = this.#known();
    if (known.followed === seq) return;
    this.#sql.exec("INSERT OR REPLACE INTO branches (seq, after_seq) VALUES (?, ?)", NEXT, seq ?? NEWEST);
    known.isSole = false;
    known.followed = seq;
    this.#changes.isRescheduled = true;
    known.off = null;
  }

  /** Notes that a shorter branch was active once. */
  noteOther(): void {
    if (!this.isSole) return;
    this.#sql.exec("INSERT INTO branches (seq, after_seq) VALUES (?, ?)", NEXT, NEWEST);
    this.#known().isSole = false;
  }

  clear(): void {
    this.#sql.exec("DELETE FROM branches");
    this.#read = undefined;
  }
}

/** Adds a message to the cache. Its seq is above those in it. */
function note(read: Read, point: BranchPoint, isNamed: boolean): void {
  read.points.push(point);
  read.afterOf.set(point.seq, point.afterSeq);
  if (isNamed) read.named.add(point.seq);
  read.off = null;
}
