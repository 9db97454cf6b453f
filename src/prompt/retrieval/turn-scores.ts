import type { Seq } from "../../api/message.ts";
import { MessageLengths } from "./message-lengths.ts";
import { DEFAULT_RANKING, type RankingParameters } from "./parameters.ts";

/** The matches of one term. `seqs` and `scores` are parallel arrays, in any order. */
export interface Matches {
  /** Index of the query's term. */
  readonly term: number;
  readonly seqs: readonly Seq[];
  /** BM25, positive. */
  readonly scores: readonly number[];
  /** Whether nearby turns get a share of the scores. */
  readonly lends: boolean;
}

/** The log whose turns are scored. */
export interface ScoredLog {
  readonly lastSeq: Seq;
  /** Lengths and speakers of the messages. */
  readonly lengths: MessageLengths;
  /** Whether the log has a single speaker. */
  readonly isMonologue: boolean;
}

/** Bins of the histogram that finds the best totals without sorting all of them. */
const TOTAL_BINS = 1_024;

/**
 * Adds up the score of each turn. For each term a turn gets its own match or the best share of a match nearby,
 * whichever is higher. So a turn gains from being near many terms of the query, but not from being near many
 * repetitions of one.
 *
 * A session numbers its messages 1, 2, 3 …, so arrays indexed by `seq` replace maps: 30 times faster, at 24 bytes per
 * message. They are reused from query to query: new arrays for each query would trigger the garbage collector every 60
 * queries, and make that query the slowest. Time: matches × reach.
 */
export class TurnScores {
  #totals = new Float64Array(0);
  /** Best score for the term that is being added. */
  #best = new Float64Array(0);
  /** Messages with an entry in `#best`. */
  #touched = new Uint32Array(0);
  #touchedCount = 0;
  /** Messages with a total. */
  #scored = new Uint32Array(0);
  #scoredCount = 0;
  readonly #bins = new Uint32Array(TOTAL_BINS);
  #lastSeq: Seq = 0;
  #lengths = new MessageLengths();
  #forward: readonly number[] = [];
  #back: readonly number[] = [];
  #across = 1;

  /**
   * Resets all scores. Reuses the arrays if they are large enough, because allocating those of a long chat takes a
   * millisecond.
   */
  begin({ lastSeq, lengths, isMonologue }: ScoredLog, parameters: RankingParameters = DEFAULT_RANKING): void {
    for (let i = 0; i < this.#scoredCount; i++) this.#totals[this.#scored[i]!] = 0;
    this.#scoredCount = 0;
    this.#lastSeq = lastSeq;
    this.#lengths = lengths;
    const factor = isMonologue ? parameters.lendAlone : 1;
    this.#forward = parameters.lendForward.map((share) => share * factor);
    this.#back = parameters.lendBack.map((share) => share * factor);
    this.#across = parameters.lendAcross;
    if (lastSeq < this.#totals.length) return;
    this.#totals = new Float64Array(Math.ceil(lastSeq * 1.25) + 1);
    this.#best = new Float64Array(this.#totals.length);
    this.#touched = new Uint32Array(this.#totals.length);
    this.#scored = new Uint32Array(this.#totals.length);
  }

  /** Adds the scores of each term. If a term was found in several fields, the best counts. */
  addTerms(matches: readonly Matches[]): void {
    const byTerm = new Map<number, Matches[]>();
    for (const match of matches) {
      const others = byTerm.get(match.term);
      if (others === undefined) byTerm.set(match.term, [match]);
      else others.push(match);
    }
    for (const ofTerm of byTerm.values()) this.#add(ofTerm);
  }

  /** Adds points that a turn does not share with its neighbours; for each turn the highest counts. */
  addPoints(matches: readonly Matches[]): void {
    this.#add(matches);
  }

  /** The highest total. */
  highest(): number {
    let highest = 0;
    for (let i = 0; i < this.#scoredCount; i++) highest = Math.max(highest, this.#totals[this.#scored[i]!]!);
    return highest;
  }

  of(seq: Seq): number {
    return seq > this.#lastSeq ? 0 : (this.#totals[seq] ?? 0);
  }

  /** The best messages: highest total first, then newest first. */
  top(limit: number): Seq[] {
    const totals = this.#totals;
    const highest = this.highest();
    // With few terms, most turns have the same low totals and fall into one bin of the first histogram; a second
    // histogram splits that bin.
    const coarse = this.#leastOfBest(limit, 0, highest);
    const least = this.#leastOfBest(limit, coarse, Math.min(highest, coarse + highest / TOTAL_BINS));
    const best: Seq[] = [];
    for (let i = 0; i < this.#scoredCount; i++) {
      const seq = this.#scored[i]!;
      if (totals[seq]! >= least) best.push(seq);
    }
    // Compares instead of subtracting, because each difference would be allocated on the heap as a number.
    const isBefore = (a: Seq, b: Seq): boolean => (totals[a] === totals[b] ? a > b : totals[a]! > totals[b]!);
    return best.sort((a, b) => (isBefore(a, b) ? -1 : 1)).slice(0, limit);
  }

  /** A total that at least `limit` messages reach, and few more: the lower bound of a bin between `low` and `high`. */
  #leastOfBest(limit: number, low: number, high: number): number {
    const width = (high - low) / TOTAL_BINS;
    if (!(width > 0)) return low;
    const bins = this.#bins.fill(0);
    for (let i = 0; i < this.#scoredCount; i++) {
      const total = this.#totals[this.#scored[i]!]!;
      if (total >= low) bins[Math.min(TOTAL_BINS - 1, Math.floor((total - low) / width))]!++;
    }
    let lowest = TOTAL_BINS - 1;
    for (let above = bins[lowest]!; lowest > 0 && above < limit; above += bins[lowest]!) lowest--;
    return low + lowest * width;
  }

  #add(matches: readonly Matches[]): void {
    this.#touchedCount = 0;
    // Indexed loops, because this runs tens of thousands of times per query, and iterators would take three times as
    // long.
    for (const { seqs, scores, lends } of matches) {
      for (let i = 0; i < seqs.length; i++) {
        const seq = seqs[i]!;
        const score = scores[i]!;
        this.#raise(seq, score);
        if (!lends) continue;
        this.#lendForward(seq, score);
        this.#lendBack(seq, score);
      }
    }
    for (let i = 0; i < this.#touchedCount; i++) {
      const seq = this.#touched[i]!;
      if (this.#totals[seq] === 0) this.#scored[this.#scoredCount++] = seq;
      this.#totals[seq]! += this.#best[seq]!;
      this.#best[seq] = 0;
    }
  }

  /**
   * An exchange begins with a user's turn that follows a turn of somebody else. Turns without words belong to the
   * exchange around them.
   */
  #lendForward(from: Seq, score: number): void {
    const shares = this.#forward;
    let factor = score;
    let before = this.#lengths.sideOf(from);
    for (let k = 0; k < shares.length; k++) {
      const side = this.#lengths.sideOf(from + k + 1);
      if (side > 0 && before < 0) factor = score * this.#across;
      if (side !== 0) before = side;
      this.#raise(from + k + 1, shares[k]! * factor);
    }
  }

  #lendBack(from: Seq, score: number): void {
    const shares = this.#back;
    let factor = score;
    let after = this.#lengths.sideOf(from);
    for (let k = 0; k < shares.length; k++) {
      const side = this.#lengths.sideOf(from - k - 1);
      if (side < 0 && after > 0) factor = score * this.#across;
      if (side !== 0) after = side;
      this.#raise(from - k - 1, shares[k]! * factor);
    }
  }

  #raise(seq: Seq, score: number): void {
    if (seq < 1 || seq > this.#lastSeq) return;
    const best = this.#best[seq]!;
    if (score <= best) return;
    if (best === 0) this.#touched[this.#touchedCount++] = seq;
    this.#best[seq] = score;
  }
}
