/**
 * Splits a text into words as `o200k_base` does before it merges bytes. Its regular expression is written out by hand,
 * because with classes of letters it is slower, and backtracks on runs of 256 KiB. A word ends where the first matching
 * alternative of the expression ends.
 */

/** Characters that may be among the capitals of a word: capitals, and letters and marks without case. */
const UPPER = 1;
/** Characters that may be among the small letters of a word: small letters, and letters and marks without case. */
const LOWER = 2;
const LETTER = 4;
const NUMBER = 8;
const SPACE = 16;
const BREAK = 32;
const OTHER = 64;

const KINDS: readonly (readonly [RegExp, number])[] = [
  [/[\p{Lu}\p{Lt}]/u, UPPER | LETTER],
  [/\p{Ll}/u, LOWER | LETTER],
  [/[\p{Lm}\p{Lo}]/u, UPPER | LOWER | LETTER],
  [/\p{M}/u, UPPER | LOWER],
  [/\p{N}/u, NUMBER],
  [/[\r\n]/u, SPACE | BREAK],
  [/\s/u, SPACE],
];

function classify(code: number): number {
  const character = String.fromCodePoint(code);
  for (const [pattern, kind] of KINDS) if (pattern.test(character)) return kind;
  return OTHER;
}

/** Kinds of the code points of the first two Unicode planes, filled on demand; 0 means not known yet. */
const kinds = new Uint8Array(0x20000);

function kindOf(code: number): number {
  if (code >= kinds.length) return classify(code);
  const known = kinds[code] ?? 0;
  if (known !== 0) return known;
  const kind = classify(code);
  kinds[code] = kind;
  return kind;
}

/** The code point at an index; a lone surrogate is returned as it is. */
function codeAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff ? (text.codePointAt(at) ?? unit) : unit;
}

const widthOf = (code: number): number => (code > 0xffff ? 2 : 1);

/** The end of a run of code points of a kind. */
function endOfRun(text: string, from: number, kind: number): number {
  let at = from;
  while (at < text.length) {
    const code = codeAt(text, at);
    if ((kindOf(code) & kind) === 0) break;
    at += widthOf(code);
  }
  return at;
}

/** The end of capitals followed by at least one small letter; `from` if there is no such word. */
function endOfCased(text: string, from: number): number {
  let at = from;
  let lastWithoutCase = from;
  while (at < text.length) {
    const code = codeAt(text, at);
    const kind = kindOf(code);
    if ((kind & UPPER) === 0) {
      // A letter that is not a capital is a small one.
      if ((kind & LOWER) !== 0) return endOfRun(text, at, LOWER);
      break;
    }
    at += widthOf(code);
    // Like the expression, backtracks to the last capital that also counts as a small letter.
    if ((kind & LOWER) !== 0) lastWithoutCase = at;
  }
  return lastWithoutCase;
}

/** The end of an English contraction that begins here: 's, 'd, 'm, 't, 'll, 've, 're. */
function endOfContraction(text: string, at: number): number {
  if (text.charCodeAt(at) !== 39) return at;
  const first = text.charCodeAt(at + 1) | 32;
  if (first === 115 || first === 100 || first === 109 || first === 116) return at + 2;
  const second = text.charCodeAt(at + 2) | 32;
  const isLong = (first === 108 && second === 108) || ((first === 118 || first === 114) && second === 101);
  return isLong ? at + 3 : at;
}

function endOfSpace(text: string, from: number): number {
  let at = from;
  let afterBreak = from;
  while (at < text.length) {
    const kind = kindOf(text.charCodeAt(at));
    if ((kind & SPACE) === 0) break;
    at += 1;
    if ((kind & BREAK) !== 0) afterBreak = at;
  }
  if (afterBreak > from) return afterBreak;
  // The last of several spaces belongs to the following word.
  return at < text.length && at > from + 1 ? at - 1 : at;
}

function endOfMarks(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = codeAt(text, at);
    if ((kindOf(code) & (SPACE | LETTER | NUMBER)) !== 0) break;
    at += widthOf(code);
  }
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit !== 13 && unit !== 10 && unit !== 47) break;
    at += 1;
  }
  return at;
}

function endOfNumber(text: string, from: number): number {
  let at = from;
  for (let digits = 0; digits < 3 && at < text.length; digits++) {
    const code = codeAt(text, at);
    if ((kindOf(code) & NUMBER) === 0) break;
    at += widthOf(code);
  }
  return at;
}

/**
 * The end of the word that begins at `from`, which must be before the end of the text. Over all words, a text is read a
 * fixed number of times.
 */
export function endOfWord(text: string, from: number): number {
  const code = codeAt(text, from);
  const kind = kindOf(code);
  const next = from + widthOf(code);
  // A single character that is not a letter, number or line break may begin a word of letters. A mark may also be its
  // first letter.
  const isOpening = (kind & (LETTER | NUMBER | BREAK)) === 0;
  const start = isOpening ? next : from;
  if (isOpening || (kind & LETTER) !== 0) {
    const cased = endOfCased(text, start);
    if (cased > start) return endOfContraction(text, cased);
    if ((kind & UPPER) !== 0 && isOpening) return endOfContraction(text, next);
    const capitals = endOfRun(text, start, UPPER);
    if (capitals > start) return endOfContraction(text, capitals);
  }
  if ((kind & NUMBER) !== 0) return endOfNumber(text, from);
  if ((kind & SPACE) === 0) return endOfMarks(text, from);
  if (code === 32 && next < text.length) {
    const marks = (kindOf(codeAt(text, next)) & (SPACE | LETTER | NUMBER)) === 0;
    if (marks) return endOfMarks(text, next);
  }
  return endOfSpace(text, from);
}
