import { Buffer } from "node:buffer";
import { brotliDecompressSync } from "node:zlib";

/**
 * The more frequent tokens of `o200k_base`, each with the class of its rank, in a hash table. Two hashes, of 32 and 24
 * bits, identify a token: of a billion byte sequences that are not tokens, fewer than one is mistaken for one.
 */
export interface Vocabulary {
  /** Bytes of the longest token. */
  readonly longest: number;
  /**
   * Each slot has two entries: the first hash, then the second one in the upper 24 bits with the class plus one in the
   * lower eight; 0 if the slot is free.
   */
  readonly table: Int32Array;
}

const SLOT_BITS = 17;
/** Slots take two entries each. */
const LAST_SLOT = (2 << SLOT_BITS) - 2;
/** Factors of the two polynomial hashes; odd, so that their powers are invertible. */
export const FIRST_FACTOR = 0x01000193;
export const SECOND_FACTOR = 0x2c1b3c6d;
/** The class of bytes that are not a token. */
export const NO_CLASS = 255;

/**
 * Bytes that say in the packed text how many bytes a row has in common with the previous row: `from` means none, up to
 * `from + most`.
 */
export interface Marks {
  readonly from: number;
  readonly most: number;
}
/**
 * Stems have no capitals, and tokens have no bytes that are invalid in UTF-8; these bytes can therefore serve as marks.
 */
export const STEM_MARKS: Marks = { from: 65, most: 25 };
export const OTHER_MARKS: Marks = { from: 0xf5, most: 10 };

export const HEADER_BYTES = 12;
const SPACE = 32;

/** The slot of a token, from the upper bits of its first hash: an even index. */
const slotOf = (first: number): number =>
  (Math.imul(first ^ (first >>> 15), 0x9e3779b1) >>> (31 - SLOT_BITS)) & LAST_SLOT;

/** The class of the token with these hashes, lower if it is merged earlier; `NO_CLASS` if there is no such token. */
export function classOf(table: Int32Array, first: number, second: number): number {
  for (let slot = slotOf(first); ; slot = (slot + 2) & LAST_SLOT) {
    const value = table[slot + 1] ?? 0;
    if (value === 0) return NO_CLASS;
    if (table[slot] === first && (value ^ second) >>> 8 === 0) return (value & 255) - 1;
  }
}

/**
 * Spellings of a stem, one bit each. An odd spelling has a space before it; half of the spelling's number is 0 or one
 * of these.
 */
export const CAPITAL_FIRST = 1;
export const CAPITALS = 2;

/**
 * Unpacks what `tools/pack-tokens.ts` packed, in about 15 ms: the lengths of the next three parts, which are rows of
 * stems, rows of all other tokens, and a byte of spellings per stem; then a class per token.
 */
export function unpackVocabulary(base64: string): Vocabulary {
  const packed = Uint8Array.from(brotliDecompressSync(Buffer.from(base64, "base64")));
  const lengths = new DataView(packed.buffer);
  const afterStems = HEADER_BYTES + lengths.getUint32(0, true);
  const afterOthers = afterStems + lengths.getUint32(4, true);
  const afterSpellings = afterOthers + lengths.getUint32(8, true);
  const table = new Int32Array(2 << SLOT_BITS);
  const classes = packed.subarray(afterSpellings);
  const stems = readRows(packed.subarray(HEADER_BYTES, afterStems), STEM_MARKS);
  const others = readRows(packed.subarray(afterStems, afterOthers), OTHER_MARKS);
  const spellings = packed.subarray(afterOthers, afterSpellings);
  const ofStems = addTokens(table, stems, spellings, classes);
  const ofOthers = addTokens(table, others, null, classes.subarray(ofStems.added));
  return { longest: Math.max(ofStems.longest, ofOthers.longest), table };
}

interface Rows {
  readonly bytes: Uint8Array;
  /** The end of each row, where the next begins. */
  readonly ends: Int32Array;
  readonly count: number;
}

function readRows(packed: Uint8Array, { from, most }: Marks): Rows {
  let length = 0;
  for (const byte of packed) length += byte < from || byte > from + most ? 1 : byte - from;
  const bytes = new Uint8Array(length);
  const ends = new Int32Array(packed.length);
  let count = 0;
  let start = 0;
  let end = 0;
  for (let at = 0; at < packed.length; at++) {
    const byte = packed[at] ?? 0;
    if (byte < from || byte > from + most) {
      bytes[end++] = byte;
      continue;
    }
    if (at > 0) ends[count++] = end;
    const before = start;
    start = end;
    for (let shared = 0; shared < byte - from; shared++) bytes[end++] = bytes[before + shared] ?? 0;
  }
  ends[count++] = end;
  return { bytes, ends, count };
}

/** Adds each row in each of its spellings; `null` if the rows are tokens as they are. */
function addTokens(
  table: Int32Array,
  { bytes, ends, count }: Rows,
  spellings: Uint8Array | null,
  classes: Uint8Array,
): { added: number; longest: number } {
  let added = 0;
  let longest = 0;
  let start = 0;
  for (let row = 0; row < count; row++) {
    const end = ends[row] ?? 0;
    for (let left = spellings === null ? 1 : (spellings[row] ?? 0), spelling = 0; left !== 0; left >>= 1, spelling++) {
      if ((left & 1) === 0) continue;
      const letters = spelling >> 1;
      const raised = letters === CAPITALS ? end : letters === CAPITAL_FIRST ? start + 1 : start;
      let first = (spelling & 1) === 0 ? 0 : SPACE + 1;
      let second = first;
      for (let at = start; at < end; at++) {
        let value = (bytes[at] ?? 0) + 1;
        if (at < raised && value > 97 && value <= 123) value -= 32;
        first = (Math.imul(first, FIRST_FACTOR) + value) | 0;
        second = (Math.imul(second, SECOND_FACTOR) + value) | 0;
      }
      let slot = slotOf(first);
      while (table[slot + 1] !== 0) slot = (slot + 2) & LAST_SLOT;
      table[slot] = first;
      table[slot + 1] = (second & ~255) | ((classes[added++] ?? 0) + 1);
      longest = Math.max(longest, end - start + (spelling & 1));
    }
    start = end;
  }
  return { added, longest };
}
