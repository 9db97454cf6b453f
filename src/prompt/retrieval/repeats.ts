/** How often a message says a term, told by terms: the index keeps neither places nor counts, so its lists are short. Pure. */

/** A term counts so often at most: beyond it BM25 rises by less than a fiftieth with each. */
export const MAX_TIMES = 8;

/** What stands in the index where a message says a term at least so often. No word contains a section sign. */
export function timesTerm(term: string, times: number): string {
  return times === 1 ? term : `${times}§${term}`;
}

/** The other way round. */
export function readTimes(indexed: string): { readonly bare: string; readonly times: number } {
  // The terms of a date begin with the sign.
  return indexed[1] === "§" ? { bare: indexed.slice(2), times: Number(indexed[0]) } : { bare: indexed, times: 1 };
}

/** Terms of a text as the index has them, each once for each time that counts. */
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

/** What to look for, with a space at either end, in a message that says a term, to tell how often it does. */
export function repeatsOf(term: string): string[] {
  return Array.from({ length: MAX_TIMES - 1 }, (_, at) => ` ${timesTerm(term, at + 2)} `);
}

/** How often a message says a term that it says, by what the index has of it and what `repeatsOf` the term says. */
export function timesIn(indexed: string, repeats: readonly string[]): number {
  let times = 0;
  while (times < repeats.length && indexed.includes(repeats[times]!)) times++;
  return times + 1;
}
