import type { WeighedTerm } from "./bm25.ts";
import { type Field, fieldTerm } from "./fields.ts";
import type { RankingParameters } from "./parameters.ts";
import type { AskedTerm, QueryTerm } from "./query.ts";

/** Decides which index tokens are looked up for a query. Pure. */

/** The fields in which every term is looked up. */
const SAID: readonly Field[] = ["user", "answer"];

/** Whether the index says how often a message contains the term: only for whole terms in text. */
export function isCounted({ field, isPrefix }: WeighedTerm): boolean {
  return !isPrefix && (field === "user" || field === "answer");
}

/**
 * Makes the lookups for the terms of a query, in each field.
 *
 * @param count returns how many messages contain each token
 * @param rare the rare fields in which the index has any terms
 */
export function lookupsOf(
  terms: readonly AskedTerm[],
  count: (tokens: readonly QueryTerm[]) => number[],
  rare: ReadonlySet<Field>,
  { code, part }: RankingParameters,
): WeighedTerm[] {
  const fields: readonly Field[] = rare.has("code") ? [...SAID, "code"] : SAID;
  const asked = terms.flatMap((asking, index) => [
    ...fields.map((field) => ({
      index,
      field,
      tokens: [fieldTerm(field, asking.term)],
      isPrefix: asking.isPrefix,
      weight: asking.weight * (field === "code" ? code : 1),
    })),
    {
      index,
      field: "part" as const,
      tokens: !rare.has("part") ? [] : asking.runs.map((run) => fieldTerm("part", run)),
      isPrefix: false,
      weight: asking.weight * part,
    },
  ]);
  const counted = withDocuments(asked, count);
  const isKnown = new Set(
    counted.flatMap(({ index, field, documents }) => (documents > 0 && field !== "part" ? [index] : [])),
  );
  const pieces = terms.flatMap((asking, index) =>
    isKnown.has(index)
      ? []
      : asking.pieces.flatMap((piece) =>
          SAID.map((field) => ({
            index,
            field,
            tokens: [fieldTerm(field, piece)],
            isPrefix: false,
            weight: asking.weight * part,
          })),
        ),
  );
  return pieces.length === 0 ? counted : [...counted, ...withDocuments(pieces, count)];
}

function withDocuments(
  asked: readonly Omit<WeighedTerm, "documents" | "allDocuments">[],
  count: (tokens: readonly QueryTerm[]) => number[],
): WeighedTerm[] {
  const counts = count(asked.flatMap(({ tokens, isPrefix }) => tokens.map((term) => ({ term, isPrefix }))));
  let at = 0;
  const counted = asked.map((term) => {
    const own = counts.slice(at, (at += term.tokens.length));
    return { ...term, documents: own.length === 0 ? 0 : Math.min(...own) };
  });
  const said = new Map<number, number>();
  for (const { index, field, documents } of counted) {
    if (field === "user" || field === "answer") said.set(index, (said.get(index) ?? 0) + documents);
  }
  return counted.map((term) => ({ ...term, allDocuments: said.get(term.index) ?? 0 }));
}
