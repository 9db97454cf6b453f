import { splitMark } from "./fields.ts";
import { readTimes } from "./repeats.ts";
import { isUnspaced, splitFirstCharacter } from "./terms.ts";

/**
 * The full-text index stores keyed hashes instead of words. FTS5 merges and splits its pages, and SQLite leaves old
 * copies in the free space of used pages, where a Durable Object cannot erase them. A remaining hash does not reveal an
 * erased word. Pure.
 */

/** A 64-bit key as two 32-bit numbers. */
export type TermKey = readonly [number, number];

/** Digits per half of the hash of a word: 50 bits in all, so that collisions are rare even among a million terms. */
const WORD_DIGITS = 5;
/**
 * Digits per half for each character of a pair: 30 bits in all. A prefix search uses the hash of the first character
 * alone.
 */
const CHARACTER_DIGITS = 3;

/** Lower-case letters and digits, because FTS5's `ascii` tokenizer keeps them together and unchanged. */
const DIGITS = "0123456789abcdefghijklmnopqrstuv";
const PAIRS_OF_DIGITS = Array.from({ length: 1_024 }, (_, at) => DIGITS[at >> 5]! + DIGITS[at & 31]!);

/** @returns a function that makes the index token of a term, with or without its count */
export function createTermHasher(key: TermKey): (term: string) => string {
  return (term) => {
    const { bare, times } = readTimes(term);
    return `${hashTerm(bare, key)}${times === 1 ? "" : times}`;
  };
}

/** The common beginning of the tokens of all pairs with this first character, which includes the field's mark. */
export function hashPrefix(character: string, key: TermKey): string {
  return digitsOf(character, key, CHARACTER_DIGITS);
}

function hashTerm(marked: string, key: TermKey): string {
  const { mark, term } = splitMark(marked);
  if (!isUnspaced(term)) return digitsOf(marked, key, WORD_DIGITS);
  const [first, rest] = splitFirstCharacter(term);
  return digitsOf(mark + first, key, CHARACTER_DIGITS) + digitsOf(rest, key, CHARACTER_DIGITS);
}

/** `digits` base-32 digits from each half of the hash. */
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
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein) over the UTF-16 units of a text, low byte first: a
 * keyed hash for short texts that needs only 32-bit arithmetic, which is fast in JavaScript.
 * @internal Compared with the published test vectors.
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
      // The last word contains the length in bytes, modulo 256, and the remaining unit.
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
