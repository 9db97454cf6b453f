/**
 * Selects statements: those that add most to what is already selected, for the tokens that they take. Greedy
 * maximization of a submodular function under a budget (Lin and Bilmes 2011, "A Class of Submodular Functions for
 * Document Summarization"); what is to be covered are terms, weighted by their rarity.
 */
import type { TokenCount } from "../api/message.ts";
import type { Term } from "./terms.ts";

/** Of two rare terms, the repeated one weighs more, because a conversation returns to its subject. */
const REPETITION_WEIGHT = 0.1;
/** A statement of which a smaller share is new mostly repeats what is selected already. */
const MIN_NEW_SHARE = 0.35;

export interface Candidate {
  readonly terms: readonly Term[];
  /** Factor for the weight of its terms. */
  readonly worth: number;
  readonly tokens: TokenCount;
  /** Additional tokens, unless it continues a selected neighbour: the frame of an item and the speaker's name. */
  readonly openingTokens: TokenCount;
  /** Adjacent candidates of one group can be joined. */
  readonly group: object;
}

/** A candidate that contains a term, and what the term is worth there. */
interface Teller {
  readonly place: number;
  readonly gain: number;
}

/** The weight of each term: rarer ones weigh more, known ones nothing. */
function rarities(candidates: readonly Candidate[], known: ReadonlySet<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { terms } of candidates) {
    for (const { key } of terms) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const total = candidates.length;
  for (const [key, count] of counts) {
    const rarity = Math.log(1 + total / count) * (1 + REPETITION_WEIGHT * Math.log(count));
    counts.set(key, known.has(key) ? 0 : rarity);
  }
  return counts;
}

/**
 * Returns the indexes of the selected candidates, in order.
 * Time: candidates × selected for finding the best, and reading every term twice.
 *
 * @param known keys of terms that are known already
 * @param maxOpenings how many selected candidates may not continue another
 */
export function choose(
  candidates: readonly Candidate[],
  known: ReadonlySet<string>,
  budget: TokenCount,
  maxOpenings: number,
): number[] {
  const rarity = rarities(candidates, known);
  const tellers = new Map<string, Teller[]>();
  const gains = new Float64Array(candidates.length);
  const tokens = Float64Array.from(candidates, (candidate) => candidate.tokens);
  for (const [place, { terms, worth }] of candidates.entries()) {
    for (const { key, weight } of terms) {
      const gain = (rarity.get(key) ?? 0) * weight * worth;
      gains[place] = (gains[place] ?? 0) + gain;
      const others = tellers.get(key);
      if (others === undefined) tellers.set(key, [{ place, gain }]);
      else others.push({ place, gain });
    }
  }
  const leastGains = gains.map((gain) => gain * MIN_NEW_SHARE);
  const chosen = new Set<number>();
  const isChosenBeside = (place: number, beside: number): boolean =>
    chosen.has(beside) && candidates[beside]?.group === candidates[place]?.group;
  const continues = (place: number): boolean => isChosenBeside(place, place - 1) || isChosenBeside(place, place + 1);
  let left = budget;
  let openings = 0;
  for (;;) {
    let best = -1;
    let bestRatio = 0;
    let bestCost = 0;
    for (let place = 0; place < gains.length; place += 1) {
      const gain = gains[place] ?? 0;
      const least = tokens[place] ?? 0;
      // Most candidates lose even at their lowest cost, which numbers alone show. This loop is the whole cost of the
      // selection.
      if (gain <= bestRatio * least || gain <= (leastGains[place] ?? 0)) continue;
      const joins = continues(place);
      const cost = least + (joins ? 0 : (candidates[place]?.openingTokens ?? 0));
      if (cost > left || (!joins && openings >= maxOpenings)) continue;
      const ratio = gain / cost;
      if (ratio > bestRatio) [best, bestRatio, bestCost] = [place, ratio, cost];
    }
    const winner = candidates[best];
    if (winner === undefined) break;
    left -= bestCost;
    if (!continues(best)) openings += 1;
    chosen.add(best);
    for (const { key } of winner.terms) {
      for (const { place, gain } of tellers.get(key) ?? []) {
        gains[place] = (gains[place] ?? 0) - gain;
      }
      tellers.delete(key);
    }
    gains[best] = 0;
  }
  return [...chosen].toSorted((a, b) => a - b);
}
