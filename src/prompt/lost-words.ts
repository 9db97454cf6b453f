import { MAX_LOST_WORDS } from "../api/limits.ts";
import type { Item, LostWord } from "../api/summary.ts";
import { isStandingWish } from "./standing-wish.ts";
import { Evidence, salientWords } from "./support.ts";

/** What a user said that a summary does not say any more: numbers, names, and wishes that hold from there on. */

/** An item that has so much of a wish's words has the wish. */
const MIN_WISH_SHARE = 0.5;
/** A sentence ends here, or with its line. */
const SENTENCE_END = /(?<=[.!?])\s+|\n+/u;

/** What a version of the summary says, as what was said is held against it. Lexical: what was put in other words counts as lost. */
export class KeptWords {
  readonly #kept = new Evidence();
  readonly #wishes: readonly Evidence[];

  constructor(items: readonly Item[]) {
    for (const { text } of items) this.#kept.add(text);
    this.#wishes = items.map(({ text }) => evidenceOf(text));
  }

  /** The salient words of a text that no item has, in its order: as many as an answer takes. */
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
