/**
 * What a UTF-16 unit can be, for its cost: the kinds of what stands before it, the blocks of Unicode,
 * and where in the table of costs each class begins.
 */

/** What stands before a unit. */
export const OTHER = 0;
export const SPACE = 1;
export const LINE = 2; // also a tab
export const DIGIT = 3;
export const MARK = 4; // of ASCII
export const LETTER = 5;
export const CAPITAL = 6;
export const WIDE = 7; // letters of other scripts
export const APOSTROPHE = 8; // after a letter, as in "don't"

/** What a unit from beyond ASCII is. The tokenizer works on UTF-8, so the bytes of a letter matter. */
export const LATIN = 1;
export const NEAR = 2; // other letters of two bytes
export const FAR = 3; // of three
export const KANA = 4;
export const IDEOGRAPH = 5;
export const HANGUL = 6;
export const SYMBOL = 7;
export const SURROGATE = 8;

const blocks = new Uint8Array(256).fill(SYMBOL);
for (const [first, last, block] of [
  [0x00, 0x02, LATIN],
  [0x03, 0x07, NEAR],
  [0x08, 0x1f, FAR],
  [0x1e, 0x1e, LATIN],
  [0x30, 0x30, KANA],
  [0x34, 0x9f, IDEOGRAPH],
  [0xa0, 0xab, FAR],
  [0xac, 0xd7, HANGUL],
  [0xd8, 0xdf, SURROGATE],
  [0xf9, 0xfa, IDEOGRAPH],
] as const) {
  blocks.fill(block, first, last + 1);
}

/** The block of a unit from U+0080. */
export function blockOf(unit: number): number {
  return unit < 0xc0 || (unit > 0x2fff && unit < 0x3040) ? SYMBOL : blocks[unit >> 8]!;
}

/** ASCII: 1 a small letter, 2 a capital, 3 to 6 space, tab, LF and CR, from 64 marks; 0 digits and the rest. */
export const ascii = new Uint8Array(128);
for (let code = 33, mark = 64; code < 127; code++) {
  const low = code | 32;
  if (low > 96 && low < 123) ascii[code] = code < 97 ? 2 : 1;
  else if (code < 48 || code > 57) ascii[code] = mark++;
}
for (const [index, code] of [32, 9, 10, 13].entries()) ascii[code] = 3 + index;

/** Levels of trust. A class of letters or symbols has a cost at each: the less trust, the dearer. */
export const LEVELS = 8;

// The first costs are the same at every level; the cost of NOTHING is 0.
export const NOTHING = 0;
export const MARKS = 1; // by what is before (8 a known pair, 9 the same mark) and mark
export const SPACES = MARKS + 10 * 32; // by itself, what is before, and whether those two are alike
export const DIGITS = SPACES + 4 * 12 * 2; // by what is before, then by place in a group of three
export const CONTROL = DIGITS + 12;
export const HIGH = CONTROL + 1; // a high surrogate, whatever follows: so a pair may be cut
export const LONE = HIGH + 1; // a low surrogate without a high one
export const LEVELED = LONE + 1;
export const LETTERS = LEVELED; // by which of the last four groups are known
export const CAPITALS = LETTERS + 16 * LEVELS; // of the last three; the first of a word is in FIRSTS
export const ACCENTS = CAPITALS + 8 * LEVELS;
export const ALPHABETS = ACCENTS + 8 * LEVELS;
export const KANAS = ALPHABETS + 40 * LEVELS;
export const IDEOGRAPHS = KANAS + 8 * LEVELS;
export const HANGULS = IDEOGRAPHS + 8 * LEVELS;
export const SYMBOLS = HANGULS + 16 * LEVELS;
export const ASTRALS = SYMBOLS + 32 * LEVELS;
export const FIRSTS = ASTRALS + 32 * LEVELS; // the first letter of a word, by what is before
export const EXTRAS = FIRSTS + 18 * LEVELS; // on top of MARKS and DIGITS
export const ENDS = EXTRAS + 12 * LEVELS; // where a word ends, by whether its end is known
export const CLASSES = ENDS + 8 * LEVELS;
