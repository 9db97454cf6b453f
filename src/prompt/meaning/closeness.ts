import type { Seq } from "../../api/message.ts";
import type { Matches } from "../retrieval/turn-scores.ts";

/** Turns the nearness of messages in meaning into points, which are added to those for matching words. Pure. */

export interface NearTurn {
  readonly seq: Seq;
  /** Cosine similarity with the query. */
  readonly nearness: number;
}

/**
 * A number that no term of the query has.
 * @internal Tests place texts around these limits.
 */
export const MEANING = -2;

/**
 * The nearest gets `weight` times the best score for words, the farthest one examined gets 0, the others a share in
 * between. So the scale of the embedding model does not matter: some models give all texts similar values, others
 * spread them widely.
 * @param nearness cosine similarities with the query
 * @param best the best score for words; if it is 0, meaning alone decides
 */
export function sharesOf(nearness: readonly number[], best: number, weight: number): number[] {
  const least = Math.min(...nearness);
  const range = Math.max(...nearness) - least;
  const most = weight * (best > 0 ? best : 1);
  // If all are equally near, all get full points.
  return nearness.map((one) => (range > 0 ? (most * (one - least)) / range : most));
}

/**
 * The points of messages: see `sharesOf`. The turns next to them get the share `lend`, because the subject of an answer
 * is often said only in the turn before it.
 */
export function pointsFor(near: readonly NearTurn[], best: number, weight: number, lend: number): Matches {
  const own = sharesOf(
    near.map(({ nearness }) => nearness),
    best,
    weight,
  );
  const seqs: Seq[] = [];
  const scores: number[] = [];
  for (const [at, { seq }] of near.entries()) {
    const score = own[at]!;
    seqs.push(seq, seq - 1, seq + 1);
    scores.push(score, score * lend, score * lend);
  }
  return { term: MEANING, seqs, scores, lends: false };
}
