/**
 * Finds environment variables that look like ours but do not exist. Most likely they are mistyped, and without this
 * check they would silently have no effect.
 */

import { VARIABLES } from "./variables.ts";

const OURS = /^(?:THREADKEEP|SUMMARIZER)_/;
/** Names with a larger edit distance are not suggested. */
const MAX_SLIPS = 3;

/** One line for each unknown variable, with the name that was probably meant. */
export function unknownVariables(names: readonly string[]): string[] {
  return names
    .filter((name) => OURS.test(name) && !Object.hasOwn(VARIABLES, name))
    .map((name) => {
      const meant = nearestName(name);
      const guess = meant === null ? "" : ` Is ${meant} meant?`;
      return `${name} is no variable of this version.${guess} Rename it or take it out`;
    });
}

function nearestName(name: string): string | null {
  const near = Object.keys(VARIABLES)
    .map((known) => ({ known, slips: editDistance(name, known) }))
    .filter(({ slips }) => slips <= MAX_SLIPS)
    .toSorted((a, b) => a.slips - b.slips);
  return near[0]?.known ?? null;
}

/**
 * The number of characters to insert, delete or replace (Levenshtein 1965). It takes time in proportion to the product
 * of the lengths.
 */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_none, column) => column);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
