import type { Seq } from "../../api/message.ts";
import type { Item, ItemKind } from "../../api/summary.ts";
import { ownSources } from "../items.ts";
import { STOP_WORDS } from "./query.ts";
import { analyze } from "./terms.ts";

/** Only this many of an item's sources are used; an item with more says little about each. */
const MAX_SOURCES = 20;
/**
 * Characters of items that are read. It limits the first query after the largest possible summary to about 10 ms; most
 * summaries have a tenth of that.
 */
const MAX_READ_CHARACTERS = 128 * 1024;

/** Kinds that stay relevant whatever is talked about later. */
const WISHES: ReadonlySet<ItemKind> = new Set(["instruction", "preference"]);

const NONE: ReadonlyMap<Seq, number> = new Map();

/**
 * What the items of a summary say about the turns that they cite. The words of an item count as words of its turns,
 * because a model may describe a turn with words that are not in it. It exists only in memory and is rebuilt for each
 * version, so an erasure need not search it. Pure.
 */
export class TurnItems {
  /**
   * For each term, the turns cited by items with that term, each with the largest share that one of these items gives.
   */
  readonly #turns = new Map<string, Map<Seq, number>>();
  readonly #wishes = new Set<Seq>();

  constructor(items: readonly Pick<Item, "kind" | "text" | "sourceSeqs" | "sourceSession" | "status">[]) {
    let left = MAX_READ_CHARACTERS;
    for (const item of items) {
      const seqs = ownSources(item).slice(0, MAX_SOURCES);
      // A superseded item would lead to the old statement, while the query wants the newer one.
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

  /**
   * The turns cited by items with this term, each with its share: an item with several sources says less about each.
   */
  turnsOf(term: string): ReadonlyMap<Seq, number> {
    return this.#turns.get(term) ?? NONE;
  }

  /** Whether an instruction or a preference cites this turn. */
  isWish(seq: Seq): boolean {
    return this.#wishes.has(seq);
  }
}
