import type { Seq } from "../contracts/message.ts";
import { MAX_MATCHES } from "../memory/retrieval/plan.ts";
import { matchExpression, type QueryTerm } from "../memory/retrieval/query.ts";
import type { SearchTables } from "./search-tables.ts";

/** Terms whose counts are remembered, about 1 MB. */
const MAX_REMEMBERED_TERMS = 10_000;

interface Remembered {
  readonly documents: number;
  readonly throughSeq: Seq;
}

/**
 * In how many messages terms stand, through any seq. Counting a term walks all its messages, so the counts of common ones are
 * remembered, and only what came since is counted. Good as long as no message that is counted changes.
 */
export class TermCounts {
  readonly #tables: SearchTables;
  readonly #common = new Map<string, Remembered>();

  constructor(tables: SearchTables) {
    this.#tables = tables;
  }

  /** The messages through a seq that each term stands in, exactly. The index covers those through `indexedThroughSeq`. */
  count(terms: readonly QueryTerm[], throughSeq: Seq, indexedThroughSeq: Seq): number[] {
    const all = this.#countAll(terms, indexedThroughSeq);
    return terms.map((term, at) => {
      const documents = all[at] ?? 0;
      if (documents === 0 || throughSeq >= indexedThroughSeq) return documents;
      const expression = matchExpression(term);
      return throughSeq < indexedThroughSeq / 2
        ? this.#tables.countMatches(expression, 0, throughSeq)
        : documents - this.#tables.countMatches(expression, throughSeq, indexedThroughSeq);
    });
  }

  /** To be called when a message that was counted changes. */
  forget(): void {
    this.#common.clear();
  }

  #countAll(terms: readonly QueryTerm[], throughSeq: Seq): number[] {
    const looked = terms.map((term) => {
      const expression = matchExpression(term);
      return { ...term, expression, known: this.#common.get(expression) };
    });
    const unknown = looked.filter(({ isPrefix, known }) => !isPrefix && known === undefined).map(({ term }) => term);
    const counted = unknown.length === 0 ? null : this.#tables.documentCounts(unknown);
    return looked.map(({ term, isPrefix, expression, known }) => {
      if (known?.throughSeq === throughSeq) return known.documents;
      const documents =
        known === undefined && !isPrefix
          ? (counted?.get(term) ?? 0)
          : (known?.documents ?? 0) + this.#tables.countMatches(expression, known?.throughSeq ?? 0, throughSeq);
      if (documents > MAX_MATCHES) this.#remember(expression, { documents, throughSeq });
      return documents;
    });
  }

  #remember(expression: string, count: Remembered): void {
    if (this.#common.size >= MAX_REMEMBERED_TERMS) this.#common.clear();
    this.#common.set(expression, count);
  }
}
