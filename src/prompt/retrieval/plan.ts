import type { WeighedTerm } from "./bm25.ts";
import type { Field } from "./fields.ts";

/**
 * Matches read for one query, all terms together. Reading one costs half a microsecond, and what it lends to its neighbours as
 * much again. Terms past the budget are scored on the candidates of the others, and cost no recall in chats of 600 turns even
 * with a sixth of this.
 */
export const MAX_MATCHES = 600;

/** Most lookups of one query, a term in a field each: a long query is told by its rarest. */
const MAX_LOOKUPS = 32;

/** What is said comes before what stands in code or is a part of a word, however rare that is. */
const ORDER: Readonly<Record<Field, number>> = { user: 0, answer: 0, part: 1, code: 2 };

export interface Lookup extends WeighedTerm {
  /** Matches read, at most: the newest. */
  readonly limit: number;
}

export interface Plan {
  readonly listed: readonly Lookup[];
  readonly deferred: readonly WeighedTerm[];
}

/**
 * Rare terms first: their matches are read in full while the budget lasts. Terms too common for it are deferred: scored on the
 * candidates that the others bring. If all are, the newest matches of the rarest stand in.
 */
export function planLookups(terms: readonly WeighedTerm[]): Plan {
  const counted = terms
    .filter((term) => term.documents > 0)
    .sort((a, b) => ORDER[a.field] - ORDER[b.field] || a.documents - b.documents)
    .slice(0, MAX_LOOKUPS);
  let budget = MAX_MATCHES;
  const listed: Lookup[] = [];
  const deferred: WeighedTerm[] = [];
  for (const term of counted) {
    if (term.documents > budget) {
      deferred.push(term);
      continue;
    }
    budget -= term.documents;
    listed.push({ ...term, limit: term.documents });
  }
  const [rarest] = deferred;
  if (listed.length === 0 && rarest !== undefined) {
    listed.push({ ...rarest, limit: MAX_MATCHES });
    return { listed, deferred: deferred.slice(1) };
  }
  return { listed, deferred };
}
