import type { Seq } from "../../api/message.ts";
import { MAX_MATCHES } from "../../prompt/retrieval/plan.ts";
import { matchExpression, type QueryTerm } from "../../prompt/retrieval/query.ts";
import type { SearchTables } from "./tables.ts";

/** How many terms' counts are remembered, about 1 MB: each term is a hash of a few digits, however long the word. */
const MAX_REMEMBERED_TERMS = 10_000;

interface Remembered {
  readonly documents: number;
  readonly throughSeq: Seq;
}

/**
 * Counts how many messages contain a term, up to any seq. Counting walks all messages of a term, so the counts of
 * common terms are remembered, and only newer messages are counted. Terms are hashed, as the index stores them.
 */
export class TermCounts {
  readonly #tables: SearchTables;
  readonly #common = new Map<string, Remembered>();
  /** The same for prefixes. */
  readonly #prefixes = new Map<string, Remembered>();

  constructor(tables: SearchTables) {
    this.#tables = tables;
  }

  /**
   * Exactly how many messages up to `throughSeq` contain each term.
   * @param indexedThroughSeq the last message that the index covers; `throughSeq` must not exceed it
   */
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

  /** Must be called when the terms of an indexed message change. Each term is named once. */
  change(seq: Seq, gone: readonly string[], come: readonly string[]): void {
    // Prefixes are not matched against the changed terms: there are few, and they are counted again.
    this.#prefixes.clear();
    this.#add(seq, gone, -1);
    this.#add(seq, come, 1);
  }

  #add(seq: Seq, terms: readonly string[], messages: number): void {
    for (const term of terms) {
      const known = this.#common.get(term);
      if (known === undefined || seq > known.throughSeq) continue;
      this.#common.set(term, { ...known, documents: known.documents + messages });
    }
  }

  #countAll(terms: readonly QueryTerm[], throughSeq: Seq): number[] {
    const looked = terms.map((term) => ({ ...term, known: this.#memoryOf(term).get(term.term) }));
    const unknown = looked.filter(({ isPrefix, known }) => !isPrefix && known === undefined).map(({ term }) => term);
    const counted = unknown.length === 0 ? null : this.#tables.documentCounts(unknown);
    return looked.map(({ known, ...asked }) => {
      if (known?.throughSeq === throughSeq) return known.documents;
      const documents =
        known === undefined && !asked.isPrefix
          ? (counted?.get(asked.term) ?? 0)
          : (known?.documents ?? 0) +
            this.#tables.countMatches(matchExpression(asked), known?.throughSeq ?? 0, throughSeq);
      if (documents > MAX_MATCHES) this.#remember(asked, { documents, throughSeq });
      return documents;
    });
  }

  #memoryOf({ isPrefix }: QueryTerm): Map<string, Remembered> {
    return isPrefix ? this.#prefixes : this.#common;
  }

  #remember(term: QueryTerm, count: Remembered): void {
    const memory = this.#memoryOf(term);
    if (memory.size >= MAX_REMEMBERED_TERMS) memory.clear();
    memory.set(term.term, count);
  }
}
