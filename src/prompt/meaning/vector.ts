import { MAX_DIMENSIONS } from "../../api/embedding.ts";

/**
 * Vectors of meaning, as they are kept: each number in one byte, with one scale for all, and beside it a code of one bit a number. The code
 * finds the few that may be near, and the bytes tell how near each of these is. Pure.
 */

const LARGEST = 127;
const SCALE_BYTES = 4;
const WORD_BITS = 32;
/** Codes are compared four words at a time. */
const WORDS_AT_ONCE = 4;

/** Bytes of a vector as it is stored: its scale, then its numbers. */
export const storedBytes = (dimensions: number): number => SCALE_BYTES + dimensions;

/**
 * Numbers of a vector that its code tells of. Models with longer vectors are trained to say most in their first numbers, and all codes of
 * the longest chat stay within 13 MB of memory.
 */
const MAX_CODED = 1_024;

/** Words of a code. The last ones are filled up with zeros, which are the same in all codes. */
export const codeWords = (dimensions: number): number =>
  Math.ceil(Math.min(dimensions, MAX_CODED) / (WORD_BITS * WORDS_AT_ONCE)) * WORDS_AT_ONCE;

/** A vector that is looked for. */
export interface SoughtVector {
  /** Of length 1. */
  readonly unit: Float32Array;
  readonly code: Uint32Array;
}

/** @throws {RangeError} if its numbers are no vector: then no distance says anything */
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

/** One bit a number: whether it is above zero. */
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

/** A vector of length 1 in its stored form, about 0.4 % off in each number. */
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
 * How near a stored vector is to another: the cosine of the angle between them, from -1 to 1.
 * @param from where it begins in the bytes
 */
export function nearness(unit: Float32Array, bytes: Uint8Array, from: number): number {
  const { length } = unit;
  const scale = new DataView(bytes.buffer, bytes.byteOffset + from).getFloat32(0, true);
  const numbers = new Int8Array(bytes.buffer, bytes.byteOffset + from + SCALE_BYTES, length);
  let sum = 0;
  for (let at = 0; at < length; at++) sum += unit[at]! * numbers[at]!;
  return sum * scale;
}
