import type { Seq } from "../../api/message.ts";
import type { Item, ItemKind } from "../../api/summary.ts";
import { ownSources } from "../items.ts";
import { STOP_WORDS } from "./query.ts";
import { analyze } from "./terms.ts";

/** An item that rests on more turns tells little about each. */
const MAX_SOURCES = 20;
/** Bounds what a summary of the largest size takes of the first query after it, to some 10 ms. Most have a tenth of that. */
const MAX_READ_CHARACTERS = 128 * 1024;

/** What holds from where it is said on, whatever is talked about later. */
const WISHES: ReadonlySet<ItemKind> = new Set(["instruction", "preference"]);

const NONE: ReadonlyMap<Seq, number> = new Map();

/**
 * What the items of a summary tell of the turns that they cite. Their words are words of those turns as well: a model says a turn in words
 * that nobody used in it. In memory alone, and made anew for each version: there is nothing of it that an erasure would have to find. Pure.
 */
export class TurnItems {
  /** By term the turns that items with it cite, with the largest share that one of these items gives. */
  readonly #turns = new Map<string, Map<Seq, number>>();
  readonly #wishes = new Set<Seq>();

  constructor(items: readonly Pick<Item, "kind" | "text" | "sourceSeqs" | "sourceSession" | "status">[]) {
    let left = MAX_READ_CHARACTERS;
    for (const item of items) {
      const seqs = ownSources(item).slice(0, MAX_SOURCES);
      // What is superseded leads to the turn that said it first, where the newer one is wanted.
      if (seqs.length === 0 || item.status === "superseded") continue;
      if (WISHES.has(item.kind)) for (const seq of seqs) this.#wishes.add(seq);
      left -= item.text.length;
      if (left >= 0) this.#addWords(item.text, seqs);
    }
  }

  #addWords(text: string, seqs: readonly Seq[]): void {
    const share = 1 / Math.sqrt(seqs.length);
    for (const term of new Set(analyze(text))) {
      if (STOP_WORDS.has(term)) continue;
      const turns = this.#turns.get(term) ?? new Map<Seq, number>();
      this.#turns.set(term, turns);
      for (const seq of seqs) turns.set(seq, Math.max(turns.get(seq) ?? 0, share));
    }
  }

  /** The turns of which an item says a term. Each has a share of what the term tells: an item on several turns tells less of each. */
  turnsOf(term: string): ReadonlyMap<Seq, number> {
    return this.#turns.get(term) ?? NONE;
  }

  /** Whether a turn said how somebody wants to be answered, or what they prefer. */
  isWish(seq: Seq): boolean {
    return this.#wishes.has(seq);
  }
}
