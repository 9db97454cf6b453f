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
import { number } from "../sqlite/index.ts";

/** Every SQL statement about the branches of the log. No decision is taken here. A session that never branches has no row. */

/** Stands for the message that comes next. Its row stays: versions of the summary tell by it that some may cover less than one before them. */
const NEXT: Seq = 0;
/** The next message follows the newest. */
const NEWEST = -1;

interface Read {
  /** No message was ever off the active branch. */
  isSole: boolean;
  /** By rising seq. */
  readonly points: BranchPoint[];
  readonly afterOf: Map<Seq, Seq>;
  /** Those that named what they follow. */
  readonly named: Set<Seq>;
  /** What the next message follows, where that is not the newest. */
  followed: Seq | null;
  /** What is off the active branch before its head; null until somebody asks. */
  off: readonly SeqRange[] | null;
}

export class BranchStore {
  readonly #sql: SqlStorage;
  readonly #changes: Changes;
  /** Undefined until it is read. */
  #read: Read | undefined;

  constructor(sql: SqlStorage, changes: Changes) {
    this.#sql = sql;
    this.#changes = changes;
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
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

  /** Whether no message was ever off the active branch. */
  get isSole(): boolean {
    return this.#known().isSole;
  }

  /** Messages that do not follow the one before them. */
  get count(): number {
    return this.#known().points.length;
  }

  /** By rising seq. */
  points(): readonly BranchPoint[] {
    return this.#known().points;
  }

  /** What a message follows; null if it is the one before it. */
  afterOf(seq: Seq): Seq | null {
    return this.#known().afterOf.get(seq) ?? null;
  }

  /** Whether a message said itself what it follows, other than the one before it. */
  isNamed(seq: Seq): boolean {
    return this.#known().named.has(seq);
  }

  /** @param newestSeq of the log */
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

  /** @param newestSeq of the log */
  siblings(newestSeq: Seq): Siblings {
    return new Siblings(this.#known().points, newestSeq);
  }

  /** Notes of a message that comes now what it follows. From here on that is on the active branch. */
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

  /** Makes a message the head of the active branch; null: the newest. */
  follow(seq: Seq | null): void {
    const known = this.#known();
    if (known.followed === seq) return;
    this.#sql.exec("INSERT OR REPLACE INTO branches (seq, after_seq) VALUES (?, ?)", NEXT, seq ?? NEWEST);
    known.isSole = false;
    known.followed = seq;
    this.#changes.isRescheduled = true;
    known.off = null;
  }

  clear(): void {
    this.#sql.exec("DELETE FROM branches");
    this.#read = undefined;
  }
}

/** The last of all: its seq is above theirs. */
function note(read: Read, point: BranchPoint, isNamed: boolean): void {
  read.points.push(point);
  read.afterOf.set(point.seq, point.afterSeq);
  if (isNamed) read.named.add(point.seq);
  read.off = null;
}
