import type { Seq } from "../api/message.ts";

/**
 * The branches of a session. All messages have one order, their `seq`. A message follows the one before it, unless it
 * names an earlier one; the messages between those two are then off its branch. Pure functions.
 */

/** A range of messages, both ends included. */
export interface SeqRange {
  readonly fromSeq: Seq;
  readonly throughSeq: Seq;
}

/** A message that does not follow the one with the previous `seq`. */
export interface BranchPoint {
  readonly seq: Seq;
  /** The message that it follows; 0 if it is a new first message of the chat. */
  readonly afterSeq: Seq;
}

/** A message together with all messages that lead to it. */
export interface Branch {
  /** The last message of the branch; 0 if the branch is empty. */
  readonly headSeq: Seq;
  /** The messages before `headSeq` that are not on this branch, oldest first. */
  readonly off: readonly SeqRange[];
  /** True if the session has no other branch and never had one. */
  readonly isSole: boolean;
}

/** @param points ascending by `seq` */
export function branchThrough(points: readonly BranchPoint[], headSeq: Seq, isSole = points.length === 0): Branch {
  return { headSeq, off: offBefore(points, headSeq), isSole };
}

/** The messages before `headSeq` that are not on the branch that ends with it, oldest first. */
export function offBefore(points: readonly BranchPoint[], headSeq: Seq): readonly SeqRange[] {
  const off: SeqRange[] = [];
  let end = headSeq;
  for (let index = points.length - 1; index >= 0; index -= 1) {
    const point = points[index];
    if (point === undefined || point.seq > end) continue;
    if (point.afterSeq < point.seq - 1) off.push({ fromSeq: point.afterSeq + 1, throughSeq: point.seq - 1 });
    end = point.afterSeq;
  }
  return off.toReversed();
}

/** Whether a message is on a branch. A `seq` below 1 counts as being on every branch. */
export function isOn({ headSeq, off }: Branch, seq: Seq): boolean {
  if (seq > headSeq) return false;
  const range = off[firstEndingAt(off, seq)];
  return range === undefined || seq < range.fromSeq;
}

/** The index of the first range that ends at `seq` or after it. */
function firstEndingAt(ranges: readonly SeqRange[], seq: Seq): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.throughSeq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The parts of a range that overlap none of `off`, oldest first.
 * @param off ascending by `seq`, without overlaps
 */
export function outside(off: readonly SeqRange[], fromSeq: Seq, throughSeq: Seq): SeqRange[] {
  const pieces: SeqRange[] = [];
  let next = fromSeq;
  for (let index = firstEndingAt(off, fromSeq); next <= throughSeq; index += 1) {
    const range = off[index];
    const end = Math.min(throughSeq, (range?.fromSeq ?? Number.POSITIVE_INFINITY) - 1);
    if (end >= next) pieces.push({ fromSeq: next, throughSeq: end });
    if (range === undefined) break;
    next = Math.max(next, range.throughSeq + 1);
  }
  return pieces;
}

/** The parts of a range that are on a branch, oldest first. */
export function branchPiecesOf({ headSeq, off }: Branch, fromSeq: Seq, throughSeq: Seq): SeqRange[] {
  return outside(off, fromSeq, Math.min(throughSeq, headSeq));
}

/** The last message that two branches have in common; 0 if there is none. */
export function sharedThrough(one: Branch, other: Branch): Seq {
  let seq = Number.POSITIVE_INFINITY;
  for (;;) {
    const next = lastThrough(other, lastThrough(one, seq));
    if (next === seq) return seq;
    seq = next;
  }
}

/** The last message of a branch that is not after `seq`; 0 if there is none. */
export function lastThrough({ headSeq, off }: Branch, seq: Seq): Seq {
  const within = Math.min(seq, headSeq);
  const range = off[firstEndingAt(off, within)];
  return range === undefined || within < range.fromSeq ? within : range.fromSeq - 1;
}

/** One of several messages that follow the same message. */
export interface Sibling {
  readonly seq: Seq;
  /**
   * The newest message that continues from this one. To show this alternative, make that message the head of the active
   * branch.
   */
  readonly headSeq: Seq;
}

/** Finds the alternatives of each message, and the newest message that each alternative leads to. */
export class Siblings {
  readonly #points: readonly BranchPoint[];
  readonly #headSeq: Seq;
  readonly #afterOf: ReadonlyMap<Seq, Seq>;
  /** The branch points that follow a message, by the `seq` of that message. */
  readonly #following = new Map<Seq, Seq[]>();
  /**
   * A run is a sequence of messages each of which follows the previous `seq`. For each run, by its first `seq`: the
   * branches that leave it, each with the message where it leaves and the newest message that it leads to.
   */
  readonly #leads = new Map<Seq, { readonly afterSeq: Seq; readonly headSeq: Seq }[]>();

  /**
   * @param points ascending by `seq`
   * @param headSeq the newest message of the log
   */
  constructor(points: readonly BranchPoint[], headSeq: Seq) {
    this.#points = points;
    this.#headSeq = headSeq;
    this.#afterOf = new Map(points.map((point) => [point.seq, point.afterSeq]));
    for (const { seq, afterSeq } of points) {
      const seqs = this.#following.get(afterSeq);
      if (seqs === undefined) this.#following.set(afterSeq, [seq]);
      else seqs.push(seq);
    }
    // From the newest to the oldest, so that where a run leads is known before the run that it branches from is
    // handled.
    for (const { seq, afterSeq } of points.toReversed()) {
      if (afterSeq === 0) continue;
      const from = this.#runOf(afterSeq).fromSeq;
      const lead = { afterSeq, headSeq: this.#newestFrom(seq) };
      const leads = this.#leads.get(from);
      if (leads === undefined) this.#leads.set(from, [lead]);
      else leads.push(lead);
    }
  }

  /**
   * All messages that follow the same message as this one, itself included, ascending by `seq`; empty if there is no
   * other.
   */
  of(seq: Seq): Sibling[] {
    if (this.#points.length === 0) return [];
    const afterSeq = this.#afterOf.get(seq) ?? seq - 1;
    const next = afterSeq + 1;
    const direct = next <= this.#headSeq && !this.#afterOf.has(next) ? [next] : [];
    const seqs = [...direct, ...(this.#following.get(afterSeq) ?? [])];
    if (seqs.length < 2) return [];
    return seqs.map((sibling) => ({ seq: sibling, headSeq: this.#newestFrom(sibling) }));
  }

  #newestFrom(seq: Seq): Seq {
    const run = this.#runOf(seq);
    return (this.#leads.get(run.fromSeq) ?? []).reduce(
      (newest, lead) => (lead.afterSeq >= seq ? Math.max(newest, lead.headSeq) : newest),
      run.throughSeq,
    );
  }

  /** The run (see `#leads`) that a message belongs to. */
  #runOf(seq: Seq): SeqRange {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle]?.seq ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return {
      fromSeq: this.#points[low - 1]?.seq ?? 1,
      throughSeq: (this.#points[low]?.seq ?? this.#headSeq + 1) - 1,
    };
  }
}
