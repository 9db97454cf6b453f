/**
 * Stores how often a message contains a term as additional terms. The index itself keeps neither positions nor counts,
 * so that its lists are short. Pure.
 */

/** Higher counts are stored as this one; beyond it, each further occurrence raises BM25 by less than a fiftieth. */
export const MAX_TIMES = 8;

/** The index term of a message that contains `term` at least `times` times. Words never contain a section sign. */
export function timesTerm(term: string, times: number): string {
  return times === 1 ? term : `${times}§${term}`;
}

/** Splits an index term into term and count. */
export function readTimes(indexed: string): { readonly bare: string; readonly times: number } {
  // The terms of a date begin with the sign, so it is not at index 1.
  return indexed[1] === "§" ? { bare: indexed.slice(2), times: Number(indexed[0]) } : { bare: indexed, times: 1 };
}

/** The index terms of a text: each term once per occurrence, up to MAX_TIMES. */
export function termsWithTimes(terms: readonly string[]): string[] {
  const said = new Map<string, number>();
  const indexed: string[] = [];
  for (const term of terms) {
    const times = (said.get(term) ?? 0) + 1;
    said.set(term, times);
    if (times <= MAX_TIMES) indexed.push(timesTerm(term, times));
  }
  return indexed;
}

/**
 * The texts to search for in a message's index terms, with a space at both ends, to find out how often it contains a
 * term.
 */
export function repeatsOf(term: string): string[] {
  return Array.from({ length: MAX_TIMES - 1 }, (_, at) => ` ${timesTerm(term, at + 2)} `);
}

/**
 * How often a message contains a term, given its index terms and the `repeatsOf` the term. It contains it at least
 * once.
 */
export function timesIn(indexed: string, repeats: readonly string[]): number {
  let times = 0;
  while (times < repeats.length && indexed.includes(repeats[times]!)) times++;
  return times + 1;
}
