/** How often a message says a term, told by terms: the index keeps neither places nor counts, so its lists are short. Pure. */

/** A term counts so often at most: beyond it BM25 rises by less than a fiftieth with each. */
export const MAX_TIMES = 8;

/** What stands in the index where a message says a term at least so often. No word contains a section sign. */
export function timesTerm(term: string, times: number): string {
  return times === 1 ? term : `${times}§${term}`;
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

/** How often a message says a term that it says, by what the index has of it, with a space at either end. */
export function timesIn(indexed: string, term: string): number {
  let times = 1;
  while (times < MAX_TIMES && indexed.includes(` ${timesTerm(term, times + 1)} `)) times++;
  return times;
}
