import { splitMark } from "./fields.ts";
import { readTimes } from "./repeats.ts";
import { isUnspaced, splitFirstCharacter } from "./terms.ts";

/**
 * Terms as the full-text index has them: keyed hashes. FTS5 merges and splits its pages, and SQLite leaves stale copies in the free
 * space of pages that are in use, where nothing that a Durable Object may call reaches them. A copy of a hash is not a word that
 * somebody erased. Pure.
 */

/** 64 bits, as two numbers of 32. */
export type TermKey = readonly [number, number];

/** Digits of a word: 50 bits, of which even a million terms hardly ever share any. */
const WORD_DIGITS = 5;
/** Of either half of a pair of characters: 30 bits. The first half by itself is what a prefix search looks for. */
const CHARACTER_DIGITS = 3;

/** Lower-case letters and digits: FTS5's tokenizer `ascii` takes each for a part of a word, and folds none of them. */
const DIGITS = "0123456789abcdefghijklmnopqrstuv";
const PAIRS_OF_DIGITS = Array.from({ length: 1_024 }, (_, at) => DIGITS[at >> 5]! + DIGITS[at & 31]!);

/** @returns what stands in the index for a term, with or without a mark of how often it is said */
export function createTermHasher(key: TermKey): (term: string) => string {
  return (term) => {
    const { bare, times } = readTimes(term);
    return `${hashTerm(bare, key)}${times === 1 ? "" : times}`;
  };
}

/** What the tokens of all pairs begin with whose first character is this one, with the mark of its field. */
export function hashPrefix(character: string, key: TermKey): string {
  return digitsOf(character, key, CHARACTER_DIGITS);
}

function hashTerm(marked: string, key: TermKey): string {
  const { mark, term } = splitMark(marked);
  if (!isUnspaced(term)) return digitsOf(marked, key, WORD_DIGITS);
  const [first, rest] = splitFirstCharacter(term);
  return digitsOf(mark + first, key, CHARACTER_DIGITS) + digitsOf(rest, key, CHARACTER_DIGITS);
}

/** Twice so many digits of 5 bits: as many from each half of the hash. */
function digitsOf(text: string, key: TermKey, digits: number): string {
  const [low, high] = halfSipHash(text, key);
  return digitsFrom(low, digits) + digitsFrom(high, digits);
}

function digitsFrom(bits: number, count: number): string {
  let digits = "";
  for (let at = 0; at + 1 < count; at += 2) digits += PAIRS_OF_DIGITS[(bits >>> (5 * at)) & 1_023]!;
  return count % 2 === 1 ? digits + DIGITS[(bits >>> (5 * (count - 1))) & 31]! : digits;
}

/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein) over the UTF-16 units of a text, low byte first: a hash with a key
 * that is made for short texts, at 32 bits, which is what numbers here do fast.
 */
export function halfSipHash(text: string, [k0, k1]: TermKey): [number, number] {
  let v0 = k0;
  let v1 = k1 ^ 0xee;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  const words = text.length >> 1;
  const wordRounds = 2 * (words + 1);
  let word = 0;
  let low = 0;
  for (let at = 0; at < wordRounds + 8; at++) {
    if (at === wordRounds) v2 ^= 0xee;
    else if (at === wordRounds + 4) {
      low = v1 ^ v3;
      v1 ^= 0xdd;
    } else if (at < wordRounds && (at & 1) === 0) {
      // The last word holds the length in bytes, modulo 256, and the unit that is left over.
      word = at < 2 * words ? text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16) : lastWord(text);
      v3 ^= word;
    }
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (at < wordRounds && (at & 1) === 1) v0 ^= word;
  }
  return [low >>> 0, (v1 ^ v3) >>> 0];
}

function lastWord(text: string): number {
  return (text.length << 25) | ((text.length & 1) === 0 ? 0 : text.charCodeAt(text.length - 1));
}
