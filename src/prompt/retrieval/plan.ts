import type { WeighedTerm } from "./bm25.ts";
import type { Field } from "./fields.ts";

/**
 * Matches read for one query, over all terms. Reading one takes half a microsecond, and distributing its score to
 * neighbours as much again. Terms beyond this budget are scored only on the candidates of the other terms. In chats of
 * 600 turns even a sixth of this budget costs no recall.
 */
export const MAX_MATCHES = 600;

/** Lookups of one query, each one term in one field. A long query is characterized by its rarest terms. */
const MAX_LOOKUPS = 32;

/** Words in text come before parts of words and code, however rare those are. */
const ORDER: Readonly<Record<Field, number>> = { user: 0, answer: 0, part: 1, code: 2 };

export interface Lookup extends WeighedTerm {
  /** How many matches are read at most; the newest. */
  readonly limit: number;
}

export interface Plan {
  readonly listed: readonly Lookup[];
  readonly deferred: readonly WeighedTerm[];
}

/**
 * Sorts terms by rarity. The matches of rare terms are read completely while the budget lasts. Terms too common for
 * that are deferred: they are scored on the candidates that the others found. If all are too common, the newest matches
 * of the rarest one are read.
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
