import { stem } from "./stem.ts";
import { fold } from "./terms.ts";

/**
 * Parts of words. German and its neighbours write a compound as one word ("Krankenversicherung"), which is to be found by each of its
 * parts, and a query's compound by what it is made of. No list of words is needed: the index keeps short runs of letters of long words,
 * and a query asks for a word whose runs are all there. Pure.
 */

/** Letters of a run. Three stand in too many words. */
const RUN = 4;

/** Letters from which on a word may be a compound. English writes its own apart: there only the longest words are read for parts. */
const MIN_COMPOUND = 8;
const MIN_ENGLISH_COMPOUND = 12;
/** What is longer is encoded data. */
const MAX_COMPOUND = 40;

/** From this share of English function words on, a text is taken for English. German shares "in", "an" and "so" with it: about 8 %. */
const MIN_ENGLISH_SHARE = 0.2;

/** Runs that a query asks for of one word: its first, its middle and its last. They tell a word of a message nearly always. */
const ASKED_RUNS = 3;

const LETTERS = /^\p{L}+$/u;
/** Scripts with spaces and capitals, in which compounds are written. */
const ALPHABETIC = /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]+$/u;

/** Endings of German that a word loses inside a compound. */
const ENDING = /(?:en|er|es|e|n|s)$/;
const MIN_WITHOUT_ENDING = 5;

/** The runs of letters of the long words of a text, each once. @param words folded */
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

/** The runs by which a compound is found that has this word as a part; none of a word that is too short. */
export function runsOfPart(word: string): string[] {
  const folded = fold(word);
  if (folded.length < RUN || folded.length > MAX_COMPOUND || !ALPHABETIC.test(folded)) return [];
  const bare = folded.replace(ENDING, "");
  const part = bare.length >= MIN_WITHOUT_ENDING ? bare : folded;
  const last = part.length - RUN;
  const places = Array.from({ length: ASKED_RUNS }, (_, at) => Math.round((last * at) / (ASKED_RUNS - 1)));
  return [...new Set(places.map((at) => part.slice(at, at + RUN)))];
}

/** What a compound may begin and end with, as terms: for a word that nobody said as a whole. */
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
