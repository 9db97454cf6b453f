/**
 * The one pass over a text that the estimate and its fit share. Each UTF-16 unit falls into a class,
 * by its kind, by what is before it, and by whether the groups of units that it ends are known.
 * Trust is the share of known groups of late, and each class costs less the more of it there is:
 * that tells a sentence from random letters, which are all alike one by one.
 */
import { commonKey, hasBit, lettersKey, pairKey, slotOf, STARTS, WORD_END } from "./sketch.ts";

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

export interface Tables {
  /** By class, in units of COST_UNIT to a token. */
  costs: Uint8Array;
  sketch: Uint8Array;
  /** Characters that are one token, and starts of characters that are. */
  singles: Uint8Array;
}

export const COST_UNIT = 48;

/** Tokens added to each text: more than what a text before it can save, so that a cut never lowers a sum. */
export const TEXT_TOKENS = 2;

// Trust moves by an eighth of the way with each group, between 0 and 4095, and starts at 0.
const TRUST_FULL = 4096;
const TRUST_SHIFT = 3;
const LEVEL_SHIFT = 9; // 4096 in 8 levels
/** Marks, digits and words that follow no space lower trust a little: among them are no groups to judge by. */
const DOUBT_SHIFT = 5;

/**
 * A group that comes again within so many units counts as unknown. By chance the sketch may know all
 * groups of a short text, and that text over and over would pass for nearly free.
 */
const NEARBY = 4;
/**
 * The first groups of a text count as unknown. So the walk behind a cut, which knows less of what
 * was before, never starts with more trust than the walk through it.
 */
const UNSETTLED = 5;
const seen = new Int32Array(256);
let clock = NEARBY;

/** Starts the clock of a text after all that was seen of others. */
function advanceClock(length: number): number {
  if (clock + length > 0x3fffffff) {
    clock = NEARBY;
    seen.fill(0);
  }
  const start = clock;
  clock += length + NEARBY;
  return start;
}

function moveTrust(trust: number, known: number): number {
  return trust + ((known * TRUST_FULL - trust) >> TRUST_SHIFT);
}

/** The sum of the costs of a text. With a `tally`, counts how often each class came. O(n). */
export function walk(text: string, { costs, sketch, singles }: Tables, tally?: Float64Array): number {
  const start = advanceClock(text.length);
  const settled = start + UNSETTLED;
  const isKnown = (key: number, now: number): number => {
    const slot = slotOf(key);
    const ago = now - seen[slot & 255]!;
    seen[slot & 255] = now;
    return ago < NEARBY || now < settled ? 0 : hasBit(sketch, slot);
  };
  let sum = 0;
  let kind = OTHER;
  let last = 0;
  let before = 0; // what was before the last
  let digits = 0;
  let word = 0; // key of its last letters
  let history = 0; // the last groups, a bit each
  let trust = 0;
  for (let i = 0; i < text.length; i++) {
    const now = start + i;
    const code = text.charCodeAt(i);
    const found = code < 128 ? ascii[code]! : 0;
    const block = code < 128 ? 0 : blockOf(code);
    let whole = code;
    let next = OTHER;
    let cost = NOTHING;
    let level = NOTHING; // one more cost, at a level of trust
    let end = NOTHING;
    let isDoubt = found > 63;
    if ((kind === LETTER || kind === CAPITAL) && code < 128 && found !== 1 && found !== 2) {
      const bit = isKnown(lettersKey(word, WORD_END, true), now);
      trust = moveTrust(trust, bit);
      end = ENDS + (bit * 4 + (history & 3)) * LEVELS + (trust >> LEVEL_SHIFT);
    }
    if (found === 1 || found === 2) {
      next = found === 1 ? LETTER : CAPITAL;
      if (kind === CAPITAL || (kind === LETTER && found === 1)) {
        word = lettersKey(word, code, true);
        const bit = isKnown(word, now);
        history = ((history << 1) | bit) & 15;
        trust = moveTrust(trust, bit);
        level = found === 1 ? LETTERS + history * LEVELS : CAPITALS + (history & 7) * LEVELS;
      } else {
        word = lettersKey(0, code | 32, true);
        history = i === 0 ? 0 : 15;
        level = FIRSTS + (kind * 2 + found - 1) * LEVELS;
        isDoubt = kind !== SPACE && kind !== LINE;
      }
    } else if (found > 63) {
      let way = kind === APOSTROPHE ? MARK : kind;
      if (code === last) way = 9;
      else if (kind === MARK && isKnown(pairKey(last, code), now) === 1) way = 8;
      cost = MARKS + way * 32 + found - 64;
      level = EXTRAS + way * LEVELS;
      next = code === 39 && (kind === LETTER || kind === CAPITAL) ? APOSTROPHE : MARK;
    } else if (found > 2) {
      // 0 to 3 after one of the four, from 4 after the rest.
      const rest = kind === OTHER ? 4 : kind === APOSTROPHE ? 6 : kind + 2;
      const way = last < 128 && ascii[last]! > 2 && ascii[last]! < 64 ? ascii[last]! - 3 : rest;
      cost = SPACES + ((found - 3) * 12 + way) * 2 + (before === last ? 1 : 0);
      next = found === 3 ? SPACE : LINE;
    } else if (code > 47 && code < 58) {
      digits = kind === DIGIT ? digits + 1 : 0;
      cost = DIGITS + (digits === 0 ? kind : 9 + (digits % 3));
      level = EXTRAS + (digits % 3 === 0 ? 10 : 11) * LEVELS;
      next = DIGIT;
      isDoubt = true;
    } else if (code < 128) {
      cost = CONTROL;
    } else if (block === LATIN) {
      const starts = kind !== LETTER && kind !== CAPITAL;
      word = lettersKey(starts ? 0 : word, code, true);
      const bit = isKnown(word, now);
      history = (((starts && i > 0 ? 7 : history) << 1) | bit) & 15;
      trust = moveTrust(trust, bit);
      level = ACCENTS + ((code > 0x17f ? 4 : 0) + (history & 3)) * LEVELS;
      next = LETTER;
    } else if (block === NEAR || block === FAR) {
      const far = block - NEAR;
      const single = hasBit(singles, code);
      if (kind === WIDE) {
        word = lettersKey(word, code, false);
        const bit = isKnown(word, now);
        history = ((history << 1) | bit) & 7;
        trust = moveTrust(trust, bit);
        const rest = hasBit(singles, STARTS + (code >> 6)) + (history & 2);
        level = ALPHABETS + (far * 16 + (single === 1 ? 8 + history : rest)) * LEVELS;
      } else {
        word = code;
        history = i === 0 ? 0 : 7;
        level = ALPHABETS + (32 + far * 4 + single * 2 + (kind === SPACE ? 1 : 0)) * LEVELS;
        isDoubt = kind !== SPACE && kind !== LINE;
      }
      next = WIDE;
    } else if (block === KANA || block === IDEOGRAPH || block === HANGUL) {
      const single = hasBit(singles, code);
      const bit = isKnown(pairKey(last, code), now);
      // Most pairs of common ideographs are no token even in a sentence: how common each is tells more.
      const common = block === KANA ? bit : single & hasBit(sketch, slotOf(commonKey(code)));
      history = ((history << 1) | bit) & 3;
      trust = moveTrust(trust, common);
      let from = HANGULS + (kind === SPACE ? 8 * LEVELS : 0);
      if (block === KANA) from = KANAS;
      else if (block === IDEOGRAPH) from = IDEOGRAPHS;
      level = from + (single === 1 ? 4 + history : hasBit(singles, STARTS + (code >> 6))) * LEVELS;
      word = 0;
      next = WIDE;
    } else if (block === SURROGATE && code < 0xdc00) {
      cost = HIGH;
      next = kind === SPACE ? SPACE : OTHER;
    } else if (block === SURROGATE && last >> 10 !== 0x36) {
      cost = LONE;
    } else if (block === SURROGATE) {
      whole = ((last & 0x3ff) << 10) + (code & 0x3ff) + 0x10000;
      const single = whole < STARTS ? hasBit(singles, whole) : 0;
      const opens = whole < STARTS ? hasBit(singles, STARTS + (whole >> 6)) : 0;
      trust = moveTrust(trust, single);
      const picture = (kind === SPACE ? 16 : 0) + (whole >> 12 === 0x1f ? 8 : 0);
      level = ASTRALS + (picture + single * 4 + opens * 2 + (before === whole ? 1 : 0)) * LEVELS;
    } else {
      const single = hasBit(singles, code);
      const bit = isKnown(pairKey(last, code), now);
      const opens = hasBit(singles, STARTS + (code >> 6));
      trust = moveTrust(trust, single);
      const size = (code > 0x7ff ? 16 : 0) + (kind === SPACE ? 8 : 0);
      level = SYMBOLS + (size + single * 4 + bit * 2 + opens) * LEVELS;
    }
    if (level !== NOTHING) level += trust >> LEVEL_SHIFT;
    if (isDoubt) trust -= trust >> DOUBT_SHIFT;
    sum += costs[cost]! + costs[level]! + costs[end]!;
    if (tally !== undefined) for (const index of [cost, level, end]) tally[index]! += 1;
    if (code >> 10 !== 0x36) before = whole === code ? last : whole;
    last = code;
    kind = next;
  }
  return sum;
}
