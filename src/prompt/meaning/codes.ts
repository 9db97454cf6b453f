/** Finds codes that differ in few bits. Pure. */

/** Some codes one after the other, and what each is of. */
export interface CodeBlock {
  readonly codes: Uint32Array;
  /** 0: the place is empty. */
  readonly owners: Int32Array;
}

/** A place among the codes of several blocks. */
export interface CodePlace {
  readonly block: number;
  /** In the block. */
  readonly at: number;
  readonly owner: number;
}

/** Stands for a place that is not looked at. */
const FAR = 0xffff;

/** Places that were measured, one number each: kept from query to query, 2 bytes a place. */
export class CodeScan {
  #distances = new Uint16Array(0);

  /**
   * The places of the codes that differ least from one, at most so many, in the order in which they stand. Of equal ones the first
   * count.
   */
  nearest(
    blocks: readonly CodeBlock[],
    code: Uint32Array,
    limit: number,
    isWanted: (owner: number) => boolean,
  ): CodePlace[] {
    const places = blocks.reduce((sum, { owners }) => sum + owners.length, 0);
    if (places > this.#distances.length) this.#distances = new Uint16Array(places);
    const distances = this.#distances;
    const counts = new Uint32Array(code.length * 32 + 1);
    let first = 0;
    for (const { codes, owners } of blocks) {
      measure(codes, code, distances, first);
      for (let at = 0; at < owners.length; at++) {
        const owner = owners[at]!;
        if (owner === 0 || !isWanted(owner)) distances[first + at] = FAR;
        else counts[distances[first + at]!]!++;
      }
      first += owners.length;
    }
    return this.#collect(blocks, counts, limit);
  }

  #collect(blocks: readonly CodeBlock[], counts: Uint32Array, limit: number): CodePlace[] {
    // Up to this distance all are taken, and of those at it as many as there is room for.
    let last = 0;
    let before = 0;
    while (last < counts.length - 1 && before + counts[last]! < limit) before += counts[last++]!;
    let room = limit - before;
    const found: CodePlace[] = [];
    let first = 0;
    for (const [block, { owners }] of blocks.entries()) {
      for (let at = 0; at < owners.length; at++) {
        const distance = this.#distances[first + at]!;
        if (distance > last || (distance === last && room-- <= 0)) continue;
        found.push({ block, at, owner: owners[at]! });
      }
      first += owners.length;
    }
    return found;
  }
}

/** Bits of a word that are set, counted in each of its bytes. */
function bitsByByte(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const nibbles = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return (nibbles + (nibbles >>> 4)) & 0x0f0f_0f0f;
}

export function bitsOf(word: number): number {
  return Math.imul(bitsByByte(word), 0x0101_0101) >>> 24;
}

/**
 * In how many bits each of some codes differs from another. Four words at a time go through adders that keep what they carry (Harley and
 * Seal), so that the bits of one word are counted where else those of four would be: a third of the time. A code has a multiple of four
 * words.
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
