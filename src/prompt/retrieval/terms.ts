import { stem } from "./stem.ts";

/**
 * Splits a text into terms. Index, query and snippet all use this, and terms are stored separated by spaces, so that
 * SQLite's tokenizer makes no decisions of its own. Pure.
 */

/**
 * UTF-16 units. Longer tokens are encoded data rather than words. Index and query cut them alike, so they still match.
 */
const MAX_TOKEN_LENGTH = 64;

const WORD = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’]\p{L}+)*/gu;
/** Scripts without spaces between words, and Hangul, whose particles are attached to the noun. */
const UNSPACED_SCRIPTS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}ー";
const UNSPACED_RUN = new RegExp(`[${UNSPACED_SCRIPTS}][${UNSPACED_SCRIPTS}\\p{M}]*`, "gu");
const HAS_UNSPACED = new RegExp(`[${UNSPACED_SCRIPTS}]`, "u");
const CHARACTER = /\P{M}\p{M}*/gu;
const FIRST_CHARACTER = /^\P{M}\p{M}*/u;
/**
 * Accents in Latin, Greek and Cyrillic; Arabic vowel signs and the tatweel. Vowel signs of Indic scripts are not
 * included, because they change the meaning.
 */
const OPTIONAL_MARKS = /[\u0300-\u036f\u0640\u064b-\u065f\u0670]/g;
export const CONTRACTION = /(?:n['’]t|['’](?:s|re|ve|ll|d|m|t))$/;

/**
 * Where a capital follows a small letter in an identifier such as `getUserName` or `HTTPServer`. Its parts are indexed
 * as words too.
 */
const NAME_SEAM = /(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
/** A single letter, such as the i of iPhone, is not a word. */
const MIN_NAME_PART = 2;

/** Converts to lower case and removes compatibility forms and optional marks: "Ｃafé" → "cafe". */
export function fold(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the range is ASCII, where nothing needs decomposing
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  return text.normalize("NFKD").replace(OPTIONAL_MARKS, "").normalize("NFC").toLowerCase();
}

/** The terms of one folded word: its stem, or pairs of characters in scripts without spaces. */
function termsOfWord(word: string): string[] {
  if (!HAS_UNSPACED.test(word)) return [spacedTerm(word)];
  const terms: string[] = [];
  let end = 0;
  for (const run of word.matchAll(UNSPACED_RUN)) {
    if (run.index > end) terms.push(spacedTerm(word.slice(end, run.index)));
    end = run.index + run[0].length;
    const characters = run[0].match(CHARACTER) ?? [];
    // The last character becomes a term of its own, so that a prefix search for any single character finds it.
    for (const [i, character] of characters.entries()) terms.push(character + (characters[i + 1] ?? ""));
  }
  if (end < word.length) terms.push(spacedTerm(word.slice(end)));
  return terms;
}

function spacedTerm(word: string): string {
  const bare = word.includes("'") || word.includes("’") ? word.replace(CONTRACTION, "").replace(/['’]/g, "") : word;
  return stem(bare.slice(0, MAX_TOKEN_LENGTH).toWellFormed());
}

/** Whether a term is one or two characters of a script without spaces. */
export const isUnspaced = (term: string): boolean => HAS_UNSPACED.test(term);

export const isSingleUnspaced = (term: string): boolean => isUnspaced(term) && term.match(CHARACTER)?.length === 1;

/** Splits a pair into its two characters; the second is empty if there is only one. */
export function splitFirstCharacter(term: string): [string, string] {
  const first = FIRST_CHARACTER.exec(term)?.[0] ?? term;
  return [first, term.slice(first.length)];
}

/**
 * The index terms of a text, with repetitions: its words in order, then the parts of identifiers like `getUserName`.
 * Takes about 1 ms per 10,000 characters.
 */
export function analyze(text: string): string[] {
  const words = (fold(text).match(WORD) ?? []).flatMap(termsOfWord);
  // Few texts contain identifiers, and splitting all words would take as long as reading them.
  if (NAME_SEAM.test(text)) for (const word of text.match(WORD) ?? []) words.push(...partsOfName(word));
  return words.filter((term) => term !== "");
}

/** The terms of an identifier's parts; none if the word is not composed. */
function partsOfName(word: string): string[] {
  if (word.length > MAX_TOKEN_LENGTH || !NAME_SEAM.test(word)) return [];
  const parts = word.split(NAME_SEAM).filter((part) => part.length >= MIN_NAME_PART);
  return parts.flatMap((part) => termsOfWord(fold(part)));
}

/** The folded words of a text, not stemmed. */
export const foldedWords = (text: string): string[] => fold(text).match(WORD) ?? [];

/** The terms to look a word up by. A single last character is left out, unless it is the whole word. */
export function lookupTerms(word: string): string[] {
  const terms = analyze(word);
  return terms.length === 1 ? terms : terms.filter((term) => !isSingleUnspaced(term));
}

export const wordsOf = (text: string): string[] => text.normalize("NFKC").match(WORD) ?? [];

/** Position of a term in a text, in UTF-16 units. */
export interface FoundTerm {
  readonly at: number;
  readonly end: number;
  readonly term: string;
}

/** Finds the wanted terms in a text, in order. */
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
