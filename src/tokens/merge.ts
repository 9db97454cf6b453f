import { classOf, FIRST_FACTOR, NO_CLASS, SECOND_FACTOR, type Vocabulary } from "./vocabulary.ts";

/**
 * Bytes that are merged together. Longer words are cut. Each cut costs a token or two in a thousand, and keeps the time
 * for a run of letters of 256 KiB proportional to its length.
 */
const CHUNK_BYTES = 4_096;
/** The first bytes of U+3000 to U+D7FF, which take three bytes each. */
const FIRST_WHOLE = 0xe3;
const LAST_WHOLE = 0xed;
/**
 * A fork is a place where either of two pairs may be merged first. This many forks are tried both ways, in all
 * combinations.
 */
const FORKS_TRIED = 4;
const ALL_SECOND = (1 << FORKS_TRIED) - 1;
/** A longer word is merged in only two orders. */
const SHORT_BYTES = 32;
/** Class of a pair that has changed and must be looked up again. */
const STALE = 254;

/** Counts the pieces of a word of a text; if there are more than `most`, returns any number above `most`. */
type CountWord = (text: string, from: number, to: number, most: number) => number;

/** Makes a counter, which reuses its buffers from word to word. */
export function createMerger(vocabulary: Vocabulary): CountWord {
  const { longest, table } = vocabulary;
  const bytes = new Uint8Array(CHUNK_BYTES);
  const starts = new Int32Array(CHUNK_BYTES + 1);
  const classes = new Uint8Array(CHUNK_BYTES + 1);
  /** Hashes of the bytes before each position. */
  const firsts = new Int32Array(CHUNK_BYTES + 1);
  const seconds = new Int32Array(CHUNK_BYTES + 1);
  const firstPowers = powersOf(FIRST_FACTOR, longest);
  const secondPowers = powersOf(SECOND_FACTOR, longest);

  /** How many forks the last merge met. */
  let forks = 0;

  function classBetween(from: number, to: number): number {
    const length = to - from;
    if (length > longest) return NO_CLASS;
    const first = ((firsts[to] ?? 0) - Math.imul(firsts[from] ?? 0, firstPowers[length] ?? 0)) | 0;
    const second = ((seconds[to] ?? 0) - Math.imul(seconds[from] ?? 0, secondPowers[length] ?? 0)) | 0;
    return classOf(table, first, second);
  }

  /**
   * Pieces begin as single bytes. In runs of ideographs, syllables and kana they begin as characters, if these are
   * tokens, which saves two merges of three. Not in other scripts or after a space, where the first bytes of a
   * character may be merged with what precedes them.
   */
  function startPieces(length: number): number {
    let pieces = 0;
    for (let at = 0; at < length;) {
      const byte = bytes[at] ?? 0;
      const isWhole = isEastAsian(byte) && at > 0 && (bytes[at - 1] ?? 0) >= 0x80;
      const isFree = at + 3 >= length || isEastAsian(bytes[at + 3] ?? 0);
      starts[pieces++] = at;
      at += isWhole && isFree && classBetween(at, at + 3) !== NO_CLASS ? 3 : 1;
    }
    starts[pieces] = length;
    return pieces;
  }

  /** The largest number of pieces that any of the tried merge orders leaves. */
  function mergeBytes(length: number): number {
    if (length < 2) return length;
    for (let at = 0; at < length; at++) {
      const value = (bytes[at] ?? 0) + 1;
      firsts[at + 1] = (Math.imul(firsts[at] ?? 0, FIRST_FACTOR) + value) | 0;
      seconds[at + 1] = (Math.imul(seconds[at] ?? 0, SECOND_FACTOR) + value) | 0;
    }
    if (classBetween(0, length) !== NO_CLASS) return 1;
    let most = mergePairs(length, 0);
    if (forks > 0 && length > SHORT_BYTES) return Math.max(most, mergePairs(length, ALL_SECOND));
    let met = forks;
    for (let order = 1; order < 1 << Math.min(met, FORKS_TRIED); order++) {
      most = Math.max(most, mergePairs(length, order));
      met = Math.max(met, forks);
    }
    return most;
  }

  /**
   * Merges all pairs of the lowest class, from the left, until no pair is a token, and returns the number of pieces
   * left. Where pairs of that class overlap, each sharing a piece with the next, a bit of `order` says whether to begin
   * with the second.
   */
  function mergePairs(length: number, order: number): number {
    forks = 0;
    let pieces = startPieces(length);
    let lowest = NO_CLASS;
    for (let at = 0; at < pieces - 1; at++) {
      const found = classBetween(starts[at] ?? 0, starts[at + 2] ?? 0);
      classes[at] = found;
      if (found < lowest) lowest = found;
    }
    classes[pieces - 1] = NO_CLASS;
    while (lowest !== NO_CLASS) {
      let kept = 0;
      let isInRow = false;
      for (let at = 0; at < pieces; at++, kept++) {
        const found = classes[at] ?? NO_CLASS;
        starts[kept] = starts[at] ?? 0;
        if (found !== lowest) {
          classes[kept] = found;
          isInRow = false;
          continue;
        }
        const goesOn = classes[at + 1] === lowest;
        if (goesOn && !isInRow) {
          const isSecondFirst = ((order >> (forks % FORKS_TRIED)) & 1) === 1;
          forks += 1;
          if (isSecondFirst) {
            classes[kept] = found;
            isInRow = true;
            continue;
          }
        }
        isInRow = goesOn;
        classes[kept] = STALE;
        if (kept > 0) classes[kept - 1] = STALE;
        at += 1;
      }
      pieces = kept;
      starts[pieces] = length;
      classes[pieces - 1] = NO_CLASS;
      lowest = NO_CLASS;
      for (let at = 0; at < pieces - 1; at++) {
        if (classes[at] === STALE) classes[at] = classBetween(starts[at] ?? 0, starts[at + 2] ?? 0);
        const found = classes[at] ?? NO_CLASS;
        if (found < lowest) lowest = found;
      }
    }
    return pieces;
  }

  return (text, from, to, most) => {
    let pieces = 0;
    let length = 0;
    for (let at = from; at < to; at++) {
      if (length > CHUNK_BYTES - 4) {
        pieces += mergeBytes(length);
        if (pieces > most) return pieces;
        length = 0;
      }
      const unit = text.charCodeAt(at);
      if (unit < 0x80) bytes[length++] = unit;
      else if (unit < 0x800) {
        bytes[length++] = 0xc0 | (unit >> 6);
        bytes[length++] = 0x80 | (unit & 63);
      } else if (unit >= 0xd800 && unit <= 0xdfff) {
        const code = text.codePointAt(at) ?? unit;
        if (code > 0xffff) {
          at += 1;
          bytes[length++] = 0xf0 | (code >> 18);
          bytes[length++] = 0x80 | ((code >> 12) & 63);
          bytes[length++] = 0x80 | ((code >> 6) & 63);
          bytes[length++] = 0x80 | (code & 63);
        } else {
          // A lone surrogate counts as U+FFFD.
          bytes[length++] = 0xef;
          bytes[length++] = 0xbf;
          bytes[length++] = 0xbd;
        }
      } else {
        bytes[length++] = 0xe0 | (unit >> 12);
        bytes[length++] = 0x80 | ((unit >> 6) & 63);
        bytes[length++] = 0x80 | (unit & 63);
      }
    }
    return pieces + mergeBytes(length);
  };
}

/** Whether the first byte of a character is in that range. */
const isEastAsian = (byte: number): boolean => byte >= FIRST_WHOLE && byte <= LAST_WHOLE;

function powersOf(factor: number, most: number): Int32Array {
  const powers = new Int32Array(most + 1).fill(1);
  for (let index = 1; index <= most; index++) powers[index] = Math.imul(powers[index - 1] ?? 1, factor);
  return powers;
}
