import { MAX_LOST_WORDS } from "../api/limits.ts";
import type { Item, LostWord } from "../api/summary.ts";
import { isStandingWish } from "./standing-wish.ts";
import { Evidence, salientWords } from "./support.ts";

/** Finds what a user's message says that a summary no longer contains: numbers, names, and standing wishes. */

/** An item with at least this share of a wish's words counts as containing the wish. */
const MIN_WISH_SHARE = 0.5;
/** Sentences end here, or at the end of a line. */
const SENTENCE_END = /(?<=[.!?])\s+|\n+/u;

/**
 * The words of a version of the summary, to compare messages with. The comparison is lexical: what the summary says in
 * other words counts as lost.
 */
export class KeptWords {
  readonly #kept = new Evidence();
  readonly #wishes: readonly Evidence[];

  constructor(items: readonly Item[]) {
    for (const { text } of items) this.#kept.add(text);
    this.#wishes = items.map(({ text }) => evidenceOf(text));
  }

  /** The numbers, names and wishes of a text that no item contains, at most MAX_LOST_WORDS of them. */
  lostOf(text: string): LostWord[] {
    const words: LostWord[] = salientWords(text).filter((word) => !this.#kept.has(word));
    const wishes = text.split(SENTENCE_END).filter((sentence) => this.#isLostWish(sentence));
    return [...wishes.map((wish): LostWord => ({ kind: "instruction", text: wish.trim() })), ...words].slice(
      0,
      MAX_LOST_WORDS,
    );
  }

  #isLostWish(sentence: string): boolean {
    if (!isStandingWish(sentence.replaceAll("’", "'"))) return false;
    return !this.#wishes.some((wish) => wish.shareOf(sentence) >= MIN_WISH_SHARE);
  }
}

function evidenceOf(text: string): Evidence {
  const evidence = new Evidence();
  evidence.add(text);
  return evidence;
}
