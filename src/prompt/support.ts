/**
 * The share of an item's content words that its sources must contain at least. It leaves room for rewording, but not
 * for invention.
 */
const MIN_SUPPORTED_SHARE = 0.5;

/**
 * Words of at least this length count as content words; shorter ones are mostly grammar. Scripts without spaces are
 * split into pairs of characters instead.
 */
const MIN_CONTENT_WORD_LENGTH = 4;

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const SPACELESS_SCRIPT =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/**
 * A capitalized word of at least four letters that follows another word. Shorter ones would not be content words
 * either.
 */
const NAME = /(?<=[\p{L}\p{N},;:] )(\p{Lu}\p{L}{3,})/gu;
/**
 * Share of the names in a statement that the sources must contain; of one or two names, all. Not all of many, because
 * German capitalizes every noun, and nouns may be reworded.
 */
const MIN_NAMES_SHARE = 0.66;
const NUMBER = /\p{N}+(?:[.,:/-]\p{N}+)*/gu;

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** A cheap stem: the first letters of a word. */
function stem(word: string): string {
  return word.length > 6 ? word.slice(0, Math.max(5, word.length - 3)) : word.slice(0, 5);
}

function contentWords(text: string): Set<string> {
  const words = new Set<string>();
  for (const [word] of fold(text).matchAll(WORD)) {
    if (SPACELESS_SCRIPT.test(word)) {
      for (let at = 0; at + 1 < word.length; at += 1) words.add(word.slice(at, at + 2));
    } else if (word.length >= MIN_CONTENT_WORD_LENGTH) words.add(stem(word));
  }
  return words;
}

/**
 * Each number as written, without thousands separators, and its parts, because a date may be written in another format.
 */
function numbersOf(text: string): Set<string> {
  const numbers = new Set<string>();
  for (const [number] of fold(text).matchAll(NUMBER)) {
    numbers.add(number);
    numbers.add(withoutGroups(number));
    for (const part of partsOf(number)) numbers.add(part);
  }
  return numbers;
}

/** 3,500 and 3.500 become 3500. */
function withoutGroups(number: string): string {
  return number.replace(/[.,](?=\p{N}{3}(?!\p{N}))/gu, "");
}

/** Without leading zeros: the 7th is written 07 in some dates. */
function partsOf(number: string): string[] {
  return number.split(/[.,:/-]/).map((part) => part.replace(/^0+(?=.)/, ""));
}

/** Capitalized words that do not begin a sentence; these are names in languages that capitalize only names. */
function namesOf(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name = ""] of text.matchAll(NAME)) names.add(stem(fold(name)));
  return names;
}

/** A word whose loss makes a memory useless. */
export interface SalientWord {
  readonly kind: "number" | "name";
  /** As it was written. */
  readonly text: string;
}

/** Capitalized words that are not names: a date may be written in figures instead. */
const NO_NAMES: ReadonlySet<string> = new Set(
  "january february march april june july august september october november december monday tuesday wednesday thursday friday saturday sunday".split(
    " ",
  ),
);

/**
 * The numbers and names of a text, in order, each once. Single digits do not count. If more than a quarter of all words
 * are capitalized, no names are returned, because German capitalizes every noun.
 */
export function salientWords(text: string): SalientWord[] {
  const found = new Map<string, SalientWord & { readonly at: number }>();
  for (const { 0: number, index } of text.normalize("NFKC").matchAll(NUMBER)) {
    if (number.length > 1 && !found.has(number)) found.set(number, { kind: "number", text: number, at: index });
  }
  const names = [...text.matchAll(NAME)];
  const isCapitalized = names.length * 4 > (text.match(WORD)?.length ?? 0);
  for (const { 0: name, index } of isCapitalized ? [] : names) {
    if (!NO_NAMES.has(fold(name)) && !found.has(fold(name)))
      found.set(fold(name), { kind: "name", text: name, at: index });
  }
  return [...found.values()].toSorted((a, b) => a.at - b.at).map(({ kind, text: word }) => ({ kind, text: word }));
}

/** The words of some sources, to check statements against. Adding a source never takes support away. */
export class Evidence {
  readonly #numbers = new Set<string>();
  readonly #words = new Set<string>();

  add(source: string): void {
    for (const number of numbersOf(source)) this.#numbers.add(number);
    for (const word of contentWords(source)) this.#words.add(word);
  }

  /**
   * Whether a source contains a word: a number as a whole or in its parts, because a date may be written in another
   * format; a name by its stem.
   */
  has({ kind, text }: SalientWord): boolean {
    if (kind === "name") return this.#words.has(stem(fold(text)));
    return this.#numbers.has(withoutGroups(fold(text))) || partsOf(fold(text)).every((part) => this.#numbers.has(part));
  }

  /** The share of a statement's content words that the sources contain. */
  shareOf(statement: string): number {
    return shareOf(contentWords(statement), (word) => this.#words.has(word));
  }

  /**
   * Whether the sources support a statement, lexically: they contain every number, its names, and at least half of its
   * content words. This catches inventions, but not subtle distortions.
   */
  supports(statement: string): boolean {
    for (const [number] of fold(statement).matchAll(NUMBER)) {
      if (!this.#numbers.has(number) && !partsOf(number).every((part) => this.#numbers.has(part))) return false;
    }
    const isThere = (word: string): boolean => this.#words.has(word);
    return (
      shareOf(namesOf(statement), isThere) >= MIN_NAMES_SHARE &&
      shareOf(contentWords(statement), isThere) >= MIN_SUPPORTED_SHARE
    );
  }
}

export function isSupported(statement: string, sources: readonly string[]): boolean {
  const evidence = new Evidence();
  for (const source of sources) evidence.add(source);
  return evidence.supports(statement);
}

/** The share of the content words of `text` that `other` contains; 1 if `text` has none. */
export function sharedWords(text: string, other: string): number {
  const words = contentWords(other);
  return shareOf(contentWords(text), (word) => words.has(word));
}

function shareOf(words: ReadonlySet<string>, isThere: (word: string) => boolean): number {
  if (words.size === 0) return 1;
  let found = 0;
  for (const word of words) if (isThere(word)) found += 1;
  return found / words.size;
}
