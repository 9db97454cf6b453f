/**
 * The Hamming distances of binary codes to one code: in how many bits they differ. A search computes 100,000 of them, so
 * the Worker does it in WebAssembly, which takes a third of the time. Node cannot import the compiled module as the Worker
 * does, so tools and tests use the function in TypeScript. Both give the same numbers. Pure.
 */

/** Writes the distance of each of `codes` to `code` into `distances`, from index `from` on. A code has a multiple of four words. */
export type Measure = (codes: Uint32Array, code: Uint32Array, distances: Uint16Array, from: number) => void;

let fastest: Measure = measure;

/** Lets all searches of this isolate use the compiled module. `src/worker.ts` calls it once. */
export function useCompiled(exported: object): void {
  fastest = compiledMeasure(exported);
}

export const hammingDistances: Measure = (codes, code, distances, from) => {
  fastest(codes, code, distances, from);
};

/** Where hamming.wat expects what, in bytes. */
const DISTANCES_AT = 128;
const CODES_AT = 1_024;
/** How many distances have room before the codes. */
const MOST_CODES = 256;
const WORD_BYTES = 4;

/** What an instance of hamming.wasm exports. */
interface Exported {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly measure: (count: number, bytes: number) => void;
}

const isExported = (exported: object): exported is Exported => "memory" in exported && "measure" in exported;

/**
 * The function of hamming.wasm. Codes are copied into the memory of the module block by block: each block stays in the
 * processor's cache, and the module needs 64 KiB for all sessions, while the codes of one long chat take 13 MB.
 *
 * @param exported the exports of an instance
 * @internal A test compares it with `measure`.
 */
export function compiledMeasure(exported: object): Measure {
  if (!isExported(exported)) {
    throw new TypeError("hamming.wasm exports something else. Compile hamming.wat beside it again.");
  }
  const { memory, measure: run } = exported;
  const words = new Uint32Array(memory.buffer);
  const found = new Uint16Array(memory.buffer, DISTANCES_AT, MOST_CODES);
  return (codes, code, distances, from) => {
    words.set(code);
    const count = codes.length / code.length;
    for (let first = 0; first < count; first += MOST_CODES) {
      const part = Math.min(MOST_CODES, count - first);
      words.set(codes.subarray(first * code.length, (first + part) * code.length), CODES_AT / WORD_BYTES);
      run(part, code.length * WORD_BYTES);
      distances.set(found.subarray(0, part), from + first);
    }
  };
}

/** Counts the set bits of a 32-bit word, separately for each byte. */
function bitsByByte(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const nibbles = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return (nibbles + (nibbles >>> 4)) & 0x0f0f_0f0f;
}

/** @internal How close codes come to vectors does not show in what is found. */
export function bitsOf(word: number): number {
  return Math.imul(bitsByByte(word), 0x0101_0101) >>> 24;
}

/**
 * The same in TypeScript. Four words at a time go through carry-save adders (Harley-Seal), so that bits are counted once
 * for four words, which takes a third of the time.
 * @internal How close codes come to vectors does not show in what is found.
 */
export function measure(codes: Uint32Array, code: Uint32Array, distances: Uint16Array, from: number): void {
  const words = code.length;
  const count = codes.length / words;
  let next = 0;
  for (let place = 0; place < count; place++) {
    let [ones, twos, fours] = [0, 0, 0];
    for (let word = 0; word < words; word += 4) {
      const a = codes[next]! ^ code[word]!;
      const b = codes[next + 1]! ^ code[word + 1]!;
      const c = codes[next + 2]! ^ code[word + 2]!;
      const d = codes[next + 3]! ^ code[word + 3]!;
      next += 4;
      const onesA = ones ^ a;
      const twosA = (ones & a) | (onesA & b);
      ones = onesA ^ b;
      const onesB = ones ^ c;
      const twosB = (ones & c) | (onesB & d);
      ones = onesB ^ d;
      const both = twos ^ twosA;
      fours += bitsOf((twos & twosA) | (both & twosB));
      twos = both ^ twosB;
    }
    distances[from + place] = 4 * fours + 2 * bitsOf(twos) + bitsOf(ones);
  }
}
