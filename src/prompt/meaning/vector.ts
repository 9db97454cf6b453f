import { MAX_DIMENSIONS } from "../../api/embedding.ts";

/**
 * The stored form of embedding vectors: one byte per number with a common scale, and separately a code of one bit per
 * number. The code finds candidates quickly, the bytes give their similarity. Pure.
 */

const LARGEST = 127;
const SCALE_BYTES = 4;
const WORD_BITS = 32;
/** Codes are compared four words at a time. */
const WORDS_AT_ONCE = 4;

/** Size in bytes of a stored vector: its scale, then its numbers. */
export const storedBytes = (dimensions: number): number => SCALE_BYTES + dimensions;

/**
 * How many numbers of a vector its code covers. Models with longer vectors are trained to put most information into the
 * first numbers, and the codes of the longest chat stay within 13 MB of memory.
 */
const MAX_CODED = 1_024;

/** Words of a code. It is padded with zero bits, which are equal in all codes. */
export const codeWords = (dimensions: number): number =>
  Math.ceil(Math.min(dimensions, MAX_CODED) / (WORD_BITS * WORDS_AT_ONCE)) * WORDS_AT_ONCE;

/** The vector of a query. */
export interface SoughtVector {
  /** Of length 1. */
  readonly unit: Float32Array;
  readonly code: Uint32Array;
}

/**
 * Scales a vector to length 1.
 * @throws {RangeError} if it has no length, or its numbers are too many, not finite or all zero
 */
export function unitVector(numbers: ArrayLike<number>): Float32Array {
  const { length } = numbers;
  if (length < 1 || length > MAX_DIMENSIONS) {
    throw new RangeError(`A vector has 1 to ${MAX_DIMENSIONS} numbers, and this one has ${length}.`);
  }
  let squares = 0;
  for (let at = 0; at < length; at++) squares += numbers[at]! ** 2;
  if (!Number.isFinite(squares) || squares === 0) {
    throw new RangeError("A vector has finite numbers, and not only zeros.");
  }
  const factor = 1 / Math.sqrt(squares);
  return Float32Array.from({ length }, (_, at) => numbers[at]! * factor);
}

/** One bit per number: whether it is above zero. */
export function codeOf(unit: Float32Array): Uint32Array {
  const code = new Uint32Array(codeWords(unit.length));
  for (let at = 0; at < Math.min(unit.length, MAX_CODED); at++) {
    if (unit[at]! > 0) code[at >>> 5]! |= 1 << (at & 31);
  }
  return code;
}

export function soughtVector(numbers: ArrayLike<number>): SoughtVector {
  const unit = unitVector(numbers);
  return { unit, code: codeOf(unit) };
}

/** Stores a vector of length 1, with an error of about 0.4 % per number. */
export function storeVector(unit: Float32Array): Uint8Array {
  let largest = 0;
  for (const number of unit) largest = Math.max(largest, Math.abs(number));
  const scale = largest / LARGEST;
  const stored = new Uint8Array(storedBytes(unit.length));
  new DataView(stored.buffer).setFloat32(0, scale, true);
  for (let at = 0; at < unit.length; at++) stored[SCALE_BYTES + at] = Math.round(unit[at]! / scale);
  return stored;
}

/**
 * Cosine similarity of a vector and a stored one, from -1 to 1.
 * @param from offset of the stored vector in `bytes`
 */
export function nearness(unit: Float32Array, bytes: Uint8Array, from: number): number {
  const { length } = unit;
  const scale = new DataView(bytes.buffer, bytes.byteOffset + from).getFloat32(0, true);
  const numbers = new Int8Array(bytes.buffer, bytes.byteOffset + from + SCALE_BYTES, length);
  let sum = 0;
  for (let at = 0; at < length; at++) sum += unit[at]! * numbers[at]!;
  return sum * scale;
}
