/**
 * The one pass over a text that the estimate and its fit share. Each UTF-16 unit falls into a class,
 * by its kind, by what is before it, and by whether the groups of units that it ends are known.
 * Trust is the share of known groups of late, and each class costs less the more of it there is:
 * that tells a sentence from random letters, which are all alike one by one.
 */
import * as is from "./classes.ts";
import { commonKey, hasBit, lettersKey, pairKey, slotOf, STARTS, WORD_END } from "./sketch.ts";

export interface Tables {
  /** By class, in units of COST_UNIT to a token. */
  costs: Uint8Array;
  sketch: Uint8Array;
  /** Characters that are one token, and starts of characters that are. */
  singles: Uint8Array;
}

export const COST_UNIT = 48;

// Trust moves by a 16th of the way with each group, from just under the middle of 0 to 4095.
const TRUST_START = 2000;
const TRUST_FULL = 4096;
const TRUST_SHIFT = 4;
const LEVEL_SHIFT = 9; // 4096 in 8 levels
/** Marks and digits lower trust a little: among them are no groups to judge by. */
const DOUBT_SHIFT = 5;

/**
 * A group that comes again within so many units counts as unknown. By chance the sketch may know all
 * groups of a short text, and that text over and over would pass for nearly free.
 */
const NEARBY = 16;
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

/** The sum of the costs of a text. With a `tally`, counts how often each class came. O(n). */
export function walk(text: string, { costs, sketch, singles }: Tables, tally?: Float64Array): number {
  const start = advanceClock(text.length);
  const isKnown = (key: number, now: number): number => {
    const slot = slotOf(key);
    const ago = now - seen[slot & 255]!;
    seen[slot & 255] = now;
    return ago < NEARBY ? 0 : hasBit(sketch, slot);
  };
  let sum = 0;
  let kind = is.OTHER;
  let last = 0;
  let before = 0; // what was before the last
  let digits = 0;
  let word = 0; // key of its last letters
  let history = 0; // the last groups, a bit each
  let trust = TRUST_START;
  for (let i = 0; i < text.length; i++) {
    const now = start + i;
    const code = text.charCodeAt(i);
    const found = code < 128 ? is.ascii[code]! : 0;
    const block = code < 128 ? 0 : is.blockOf(code);
    let whole = code;
    let next = is.OTHER;
    let cost = is.NOTHING;
    let level = is.NOTHING; // one more cost, at a level of trust
    let end = is.NOTHING;
    if ((kind === is.LETTER || kind === is.CAPITAL) && code < 128 && found !== 1 && found !== 2) {
      const bit = isKnown(lettersKey(word, WORD_END, is.LATIN), now);
      trust += (bit * TRUST_FULL - trust) >> TRUST_SHIFT;
      end = is.ENDS + (bit * 4 + (history & 3)) * is.LEVELS + (trust >> LEVEL_SHIFT);
    }
    if (found === 1 || found === 2) {
      next = found === 1 ? is.LETTER : is.CAPITAL;
      if (kind === is.CAPITAL || (kind === is.LETTER && found === 1)) {
        word = lettersKey(word, code, is.LATIN);
        const bit = isKnown(word, now);
        history = ((history << 1) | bit) & 15;
        trust += (bit * TRUST_FULL - trust) >> TRUST_SHIFT;
        level = found === 1 ? is.LETTERS + history * is.LEVELS : is.CAPITALS + (history & 7) * is.LEVELS;
      } else {
        word = lettersKey(0, code | 32, is.LATIN);
        history = 15;
        level = is.FIRSTS + (kind * 2 + found - 1) * is.LEVELS;
      }
    } else if (found > 63) {
      let way = kind === is.APOSTROPHE ? is.MARK : kind;
      if (code === last) way = 9;
      else if (kind === is.MARK && isKnown(pairKey(last, code), now) === 1) way = 8;
      cost = is.MARKS + way * 32 + found - 64;
      level = is.EXTRAS + way * is.LEVELS;
      next = code === 39 && (kind === is.LETTER || kind === is.CAPITAL) ? is.APOSTROPHE : is.MARK;
    } else if (found > 2) {
      // 0 to 3 after one of the four, from 4 after the rest.
      const rest = kind === is.OTHER ? 4 : kind === is.APOSTROPHE ? 6 : kind + 2;
      const way = last < 128 && is.ascii[last]! > 2 && is.ascii[last]! < 64 ? is.ascii[last]! - 3 : rest;
      cost = is.SPACES + ((found - 3) * 12 + way) * 2 + (before === last ? 1 : 0);
      next = found === 3 ? is.SPACE : is.LINE;
    } else if (code > 47 && code < 58) {
      digits = kind === is.DIGIT ? digits + 1 : 0;
      cost = is.DIGITS + (digits === 0 ? kind : 9 + (digits % 3));
      level = is.EXTRAS + (digits % 3 === 0 ? 10 : 11) * is.LEVELS;
      next = is.DIGIT;
    } else if (code < 128) {
      cost = is.CONTROL;
    } else if (block === is.LATIN) {
      const starts = kind !== is.LETTER && kind !== is.CAPITAL;
      word = lettersKey(starts ? 0 : word, code, is.LATIN);
      const bit = isKnown(word, now);
      history = (((starts ? 7 : history) << 1) | bit) & 15;
      trust += (bit * TRUST_FULL - trust) >> TRUST_SHIFT;
      level = is.ACCENTS + ((code > 0x17f ? 4 : 0) + (history & 3)) * is.LEVELS;
      next = is.LETTER;
    } else if (block === is.NEAR || block === is.FAR) {
      const far = block - is.NEAR;
      const single = hasBit(singles, code);
      if (kind === is.WIDE) {
        word = lettersKey(word, code, block);
        const bit = isKnown(word, now);
        history = ((history << 1) | bit) & 7;
        trust += (bit * TRUST_FULL - trust) >> TRUST_SHIFT;
        const rest = hasBit(singles, STARTS + (code >> 6)) + (history & 2);
        level = is.ALPHABETS + (far * 16 + (single === 1 ? 8 + history : rest)) * is.LEVELS;
      } else {
        word = code;
        history = 7;
        level = is.ALPHABETS + (32 + far * 4 + single * 2 + (kind === is.SPACE ? 1 : 0)) * is.LEVELS;
      }
      next = is.WIDE;
    } else if (block === is.KANA || block === is.IDEOGRAPH || block === is.HANGUL) {
      const single = hasBit(singles, code);
      const bit = isKnown(pairKey(last, code), now);
      // Most pairs of common ideographs are no token even in a sentence: how common each is tells more.
      const common = block === is.KANA ? bit : single & hasBit(sketch, slotOf(commonKey(code)));
      history = ((history << 1) | bit) & 3;
      trust += (common * TRUST_FULL - trust) >> TRUST_SHIFT;
      let from = is.HANGULS + (kind === is.SPACE ? 8 * is.LEVELS : 0);
      if (block === is.KANA) from = is.KANAS;
      else if (block === is.IDEOGRAPH) from = is.IDEOGRAPHS;
      level = from + (single === 1 ? 4 + history : hasBit(singles, STARTS + (code >> 6))) * is.LEVELS;
      word = 0;
      next = is.WIDE;
    } else if (block === is.SURROGATE && code < 0xdc00) {
      cost = is.HIGH;
      next = kind;
    } else if (block === is.SURROGATE && last >> 10 !== 0x36) {
      cost = is.LONE;
    } else if (block === is.SURROGATE) {
      whole = ((last & 0x3ff) << 10) + (code & 0x3ff) + 0x10000;
      const single = whole < STARTS ? hasBit(singles, whole) : 0;
      const opens = whole < STARTS ? hasBit(singles, STARTS + (whole >> 6)) : 0;
      trust += (single * TRUST_FULL - trust) >> TRUST_SHIFT;
      const picture = (kind === is.SPACE ? 16 : 0) + (whole >> 12 === 0x1f ? 8 : 0);
      level = is.ASTRALS + (picture + single * 4 + opens * 2 + (before === whole ? 1 : 0)) * is.LEVELS;
    } else {
      const single = hasBit(singles, code);
      const bit = isKnown(pairKey(last, code), now);
      const opens = hasBit(singles, STARTS + (code >> 6));
      trust += (single * TRUST_FULL - trust) >> TRUST_SHIFT;
      const size = (code > 0x7ff ? 16 : 0) + (kind === is.SPACE ? 8 : 0);
      level = is.SYMBOLS + (size + single * 4 + bit * 2 + opens) * is.LEVELS;
    }
    if (level !== is.NOTHING) level += trust >> LEVEL_SHIFT;
    if (found > 63 || next === is.DIGIT) trust -= trust >> DOUBT_SHIFT;
    sum += costs[cost]! + costs[level]! + costs[end]!;
    if (tally !== undefined) for (const index of [cost, level, end]) tally[index]! += 1;
    if (code >> 10 !== 0x36) before = whole === code ? last : whole;
    last = code;
    kind = next;
  }
  return sum;
}
