import { stem } from "./stem.ts";
import { fold } from "./terms.ts";

/**
 * Finds parts of words. German and related languages write compounds as one word ("Krankenversicherung"). Such a word
 * is to be found by each of its parts, and a query's compound by the words that it is made of. This needs no
 * dictionary: the index contains all runs of four letters of long words, and a query looks for words that contain
 * certain runs. Pure.
 */

/** Letters per run. Runs of three would occur in too many words. */
const RUN = 4;

/**
 * Words of at least this length may be compounds. English writes most compounds as separate words, so only its longest
 * words are split.
 */
const MIN_COMPOUND = 8;
const MIN_ENGLISH_COMPOUND = 12;
/** Anything longer is encoded data. */
const MAX_COMPOUND = 40;

/**
 * A text with at least this share of English function words counts as English. German has "in", "an" and "so" in common
 * with English: about 8 %.
 */
const MIN_ENGLISH_SHARE = 0.2;

/** Runs that a query looks for per word: the first, the middle and the last. They nearly always identify the word. */
const ASKED_RUNS = 3;

const LETTERS = /^\p{L}+$/u;
/** Scripts with spaces and capitals, whose languages write compounds. */
const ALPHABETIC = /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]+$/u;

/** German endings that a word may lose inside a compound. */
const ENDING = /(?:en|er|es|e|n|s)$/;
const MIN_WITHOUT_ENDING = 5;

/**
 * All runs of letters of a text's long words, each once.
 * @param words folded
 */
export function compoundRuns(words: readonly string[], functionWords: ReadonlySet<string>): string[] {
  const english = words.filter((word) => functionWords.has(word)).length;
  const least = english > 0 && english >= words.length * MIN_ENGLISH_SHARE ? MIN_ENGLISH_COMPOUND : MIN_COMPOUND;
  const runs = new Set<string>();
  for (const word of words) {
    if (word.length < least || word.length > MAX_COMPOUND || !ALPHABETIC.test(word)) continue;
    for (let at = 0; at + RUN <= word.length; at++) runs.add(word.slice(at, at + RUN));
  }
  return [...runs];
}

/** The runs by which compounds with this word as a part are found; none if it is too short. */
export function runsOfPart(word: string): string[] {
  const folded = fold(word);
  if (folded.length < RUN || folded.length > MAX_COMPOUND || !ALPHABETIC.test(folded)) return [];
  const bare = folded.replace(ENDING, "");
  const part = bare.length >= MIN_WITHOUT_ENDING ? bare : folded;
  const last = part.length - RUN;
  const places = Array.from({ length: ASKED_RUNS }, (_, at) => Math.round((last * at) / (ASKED_RUNS - 1)));
  return [...new Set(places.map((at) => part.slice(at, at + RUN)))];
}

/** Terms that may be the first or last part of a compound; used if no message contains it as a whole. */
export function piecesOf(word: string): string[] {
  const folded = fold(word);
  if (folded.length < MIN_COMPOUND || folded.length > MAX_COMPOUND || !LETTERS.test(folded)) return [];
  const pieces = new Set<string>();
  for (let at = RUN; at + RUN <= folded.length; at++) {
    pieces.add(stem(folded.slice(0, at)));
    pieces.add(stem(folded.slice(at)));
  }
  return [...pieces];
}
