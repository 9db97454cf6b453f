import type { Seq } from "../api/message.ts";

/**
 * The branches of a session. Its log has one order, and a message follows the one before it unless it says otherwise: where one does not, the
 * messages in between are off the branch that it is on. Pure.
 */

/** Messages, one after the other. */
export interface SeqRange {
  readonly fromSeq: Seq;
  readonly throughSeq: Seq;
}

/** A message that does not follow the one before it. */
export interface BranchPoint {
  readonly seq: Seq;
  /** The message that it follows; 0 for one that begins the chat anew. */
  readonly afterSeq: Seq;
}

/** The messages that lead to one of them. */
export interface Branch {
  /** Its last message; 0 if it has none. */
  readonly headSeq: Seq;
  /** What lies before that and is not on it, oldest first. */
  readonly off: readonly SeqRange[];
  /** The session never had another. */
  readonly isSole: boolean;
}

/** @param points by rising seq */
export function branchThrough(points: readonly BranchPoint[], headSeq: Seq, isSole = points.length === 0): Branch {
  return { headSeq, off: offBefore(points, headSeq), isSole };
}

/** What is off the branch that ends with a message, oldest first. */
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

/** Whether a message is on a branch. What comes before the first message is on each. */
export function isOn({ headSeq, off }: Branch, seq: Seq): boolean {
  if (seq > headSeq) return false;
  const range = off[firstEndingAt(off, seq)];
  return range === undefined || seq < range.fromSeq;
}

/** The index of the first range that ends at a message or after it. */
function firstEndingAt(ranges: readonly SeqRange[], seq: Seq): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.throughSeq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The parts of a range that lie in none of some ranges, oldest first. @param off by rising seq, without overlaps */
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

/** The last message that two branches share; 0 if none. */
export function sharedThrough(one: Branch, other: Branch): Seq {
  let seq = Number.POSITIVE_INFINITY;
  for (;;) {
    const next = lastThrough(other, lastThrough(one, seq));
    if (next === seq) return seq;
    seq = next;
  }
}

/** The last message of a branch up to a seq; 0 if none. */
export function lastThrough({ headSeq, off }: Branch, seq: Seq): Seq {
  const within = Math.min(seq, headSeq);
  const range = off[firstEndingAt(off, within)];
  return range === undefined || within < range.fromSeq ? within : range.fromSeq - 1;
}

/** One of several messages that follow the same one. */
export interface Sibling {
  readonly seq: Seq;
  /** The newest message that leads on from it: making it the head of the active branch shows this alternative. */
  readonly headSeq: Seq;
}

/** Tells which messages have alternatives, and where each of those leads. */
export class Siblings {
  readonly #points: readonly BranchPoint[];
  readonly #headSeq: Seq;
  readonly #afterOf: ReadonlyMap<Seq, Seq>;
  /** The points that follow a message. */
  readonly #following = new Map<Seq, Seq[]>();
  /** Of each run of messages that follow one another, by where it begins: what leads on from it elsewhere, and how far. */
  readonly #leads = new Map<Seq, { readonly afterSeq: Seq; readonly headSeq: Seq }[]>();

  /** @param points by rising seq @param headSeq the newest message of the log */
  constructor(points: readonly BranchPoint[], headSeq: Seq) {
    this.#points = points;
    this.#headSeq = headSeq;
    this.#afterOf = new Map(points.map((point) => [point.seq, point.afterSeq]));
    for (const { seq, afterSeq } of points) {
      const seqs = this.#following.get(afterSeq);
      if (seqs === undefined) this.#following.set(afterSeq, [seq]);
      else seqs.push(seq);
    }
    // From the newest on: where a run leads is known before the run that it leads on from.
    for (const { seq, afterSeq } of points.toReversed()) {
      if (afterSeq === 0) continue;
      const from = this.#runOf(afterSeq).fromSeq;
      const lead = { afterSeq, headSeq: this.#newestFrom(seq) };
      const leads = this.#leads.get(from);
      if (leads === undefined) this.#leads.set(from, [lead]);
      else leads.push(lead);
    }
  }

  /** All that follow the message that this one follows, itself among them, by rising seq; empty if it is the only one. */
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

  /** The messages around one that follow one another in the log. */
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
