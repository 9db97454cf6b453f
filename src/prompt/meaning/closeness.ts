import type { Seq } from "../../api/message.ts";
import type { Matches } from "../retrieval/turn-scores.ts";

/** How near turns are in meaning to a query, as points beside those for their words. Pure. */

export interface NearTurn {
  readonly seq: Seq;
  /** The cosine of the angle between the two. */
  readonly nearness: number;
}

/** No term of the query. */
export const MEANING = -2;

/**
 * The nearest turn gets a share of what the best turn has for its words, the farthest of those that were looked at nothing, and the others
 * what lies between. So the scale of a model does not matter: of one all texts are near each other, of another none.
 * @param best what the best turn has for its words; where no turn has any, meaning alone decides
 */
export function pointsFor(near: readonly NearTurn[], best: number, weight: number): Matches {
  const nearness = near.map((turn) => turn.nearness);
  const least = Math.min(...nearness);
  const range = Math.max(...nearness) - least;
  const most = weight * (best > 0 ? best : 1);
  // Of several that are equally near none is told apart, and all of them were found.
  const scores = nearness.map((one) => (range > 0 ? (most * (one - least)) / range : most));
  return { term: MEANING, seqs: near.map(({ seq }) => seq), scores, lends: false };
}
