import { stem } from "./stem.ts";

/**
 * The terms of a text. They are made here, and stored separated by spaces, so that index, query and snippet agree on what a
 * word is, and the tokenizer of SQLite has nothing left to decide. Pure.
 */

/** UTF-16 units. Longer tokens are encoded data, not words; both sides cut alike, so they still match. */
const MAX_TOKEN_LENGTH = 64;

const WORD = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’]\p{L}+)*/gu;
/** Scripts that leave no spaces between words, and Hangul, whose particles stick to the noun. */
const UNSPACED_SCRIPTS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}ー";
const UNSPACED_RUN = new RegExp(`[${UNSPACED_SCRIPTS}][${UNSPACED_SCRIPTS}\\p{M}]*`, "gu");
const HAS_UNSPACED = new RegExp(`[${UNSPACED_SCRIPTS}]`, "u");
const CHARACTER = /\P{M}\p{M}*/gu;
const FIRST_CHARACTER = /^\P{M}\p{M}*/u;
/** Latin, Greek and Cyrillic accents; Arabic vowel signs and the tatweel. Vowel signs of Indic scripts carry meaning. */
const OPTIONAL_MARKS = /[\u0300-\u036f\u0640\u064b-\u065f\u0670]/g;
export const CONTRACTION = /(?:n['’]t|['’](?:s|re|ve|ll|d|m|t))$/;

/** Where a capital follows a small letter: in names of programs, such as `getUserName` or `HTTPServer`, whose parts are words as well. */
const NAME_SEAM = /(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
/** One letter is no word: the I of an iPhone. */
const MIN_NAME_PART = 2;

/** Lower case, compatibility forms and optional marks removed: "Ｃafé" → "cafe". */
export function fold(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the range is ASCII, where nothing needs decomposing
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  return text.normalize("NFKD").replace(OPTIONAL_MARKS, "").normalize("NFC").toLowerCase();
}

/** The terms of one folded word: its stem, or pairs of characters where words are not spaced. */
function termsOfWord(word: string): string[] {
  if (!HAS_UNSPACED.test(word)) return [spacedTerm(word)];
  const terms: string[] = [];
  let end = 0;
  for (const run of word.matchAll(UNSPACED_RUN)) {
    if (run.index > end) terms.push(spacedTerm(word.slice(end, run.index)));
    end = run.index + run[0].length;
    const characters = run[0].match(CHARACTER) ?? [];
    // The last character stands alone too, so that a prefix search for any one character finds it.
    for (const [i, character] of characters.entries()) terms.push(character + (characters[i + 1] ?? ""));
  }
  if (end < word.length) terms.push(spacedTerm(word.slice(end)));
  return terms;
}

function spacedTerm(word: string): string {
  const bare = word.includes("'") || word.includes("’") ? word.replace(CONTRACTION, "").replace(/['’]/g, "") : word;
  return stem(bare.slice(0, MAX_TOKEN_LENGTH).toWellFormed());
}

/** Whether a term is made of characters of an unspaced script: a pair of them, or one. */
export const isUnspaced = (term: string): boolean => HAS_UNSPACED.test(term);

export const isSingleUnspaced = (term: string): boolean => isUnspaced(term) && term.match(CHARACTER)?.length === 1;

/** A pair as its first character and its second, which is empty where a character stands alone. */
export function splitFirstCharacter(term: string): [string, string] {
  const first = FIRST_CHARACTER.exec(term)?.[0] ?? term;
  return [first, term.slice(first.length)];
}

/** The index terms of a text, repeats included: its words in order, then the parts of names like `getUserName`. About 1 ms per 10,000 characters. */
export function analyze(text: string): string[] {
  const words = (fold(text).match(WORD) ?? []).flatMap(termsOfWord);
  // Few texts have any, and to part all words of the others would take as long as to read them.
  if (NAME_SEAM.test(text)) for (const word of text.match(WORD) ?? []) words.push(...partsOfName(word));
  return words.filter((term) => term !== "");
}

/** The terms of a name's parts; none of a word that has none. */
function partsOfName(word: string): string[] {
  if (word.length > MAX_TOKEN_LENGTH || !NAME_SEAM.test(word)) return [];
  const parts = word.split(NAME_SEAM).filter((part) => part.length >= MIN_NAME_PART);
  return parts.flatMap((part) => termsOfWord(fold(part)));
}

/** The words of a text as they are compared, unstemmed. */
export const foldedWords = (text: string): string[] => fold(text).match(WORD) ?? [];

/** The terms that a word is looked up by: its last character alone only if it is all there is. */
export function lookupTerms(word: string): string[] {
  const terms = analyze(word);
  return terms.length === 1 ? terms : terms.filter((term) => !isSingleUnspaced(term));
}

export const wordsOf = (text: string): string[] => text.normalize("NFKC").match(WORD) ?? [];

/** Where a term stands, in UTF-16 units. */
export interface FoundTerm {
  readonly at: number;
  readonly end: number;
  readonly term: string;
}

/** The wanted terms in a text, in order. */
export function* findTerms(text: string, wanted: ReadonlySet<string>): Generator<FoundTerm> {
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (!HAS_UNSPACED.test(word)) {
      const found = [spacedTerm(fold(word)), ...partsOfName(word)].find((term) => wanted.has(term));
      if (found !== undefined) yield { at: index, end: index + word.length, term: found };
      continue;
    }
    for (const { 0: character, index: offset } of word.matchAll(CHARACTER)) {
      const pair = /^\P{M}\p{M}*\P{M}\p{M}*/u.exec(word.slice(offset, offset + 16))?.[0] ?? character;
      const found = [pair, character].find((piece) => wanted.has(fold(piece)));
      if (found !== undefined) yield { at: index + offset, end: index + offset + found.length, term: fold(found) };
    }
  }
}
