import { hammingDistances } from "./hamming.ts";

/** Finds the binary codes with the smallest Hamming distance to a given one. Pure. */

/** Consecutive codes, and the message that each belongs to. */
export interface CodeBlock {
  readonly codes: Uint32Array;
  /** 0 marks an empty place. */
  readonly owners: Int32Array;
}

/** The place of a code in one of several blocks. */
export interface CodePlace {
  readonly block: number;
  /** Index within the block. */
  readonly at: number;
  readonly owner: number;
}

/** Distance of a place that is skipped. */
const FAR = 0xffff;

/** How many times as many places are looked at first as are wanted, and in each further round as in the one before. */
const FIRST_FACTOR = 2;
const NEXT_FACTOR = 8;

/** Finds nearest codes. Its array of distances is reused from query to query: 2 bytes per place. */
export class CodeScan {
  #distances = new Uint16Array(0);

  /**
   * The places of the `limit` codes nearest to `code`, in the order of the blocks. Among equal distances the first
   * places win.
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
      hammingDistances(codes, code, distances, first);
      for (let at = 0; at < owners.length; at++) {
        if (owners[at] === 0) distances[first + at] = FAR;
        else counts[distances[first + at]!]!++;
      }
      first += owners.length;
    }
    // Mostly all owners are wanted. Only those of the nearest places are asked for, because to ask for each would take
    // milliseconds.
    for (let count = limit * FIRST_FACTOR; ; count *= NEXT_FACTOR) {
      const found = this.#collect(blocks, counts, count).filter(({ owner }) => isWanted(owner));
      if (found.length >= limit || count >= places) return this.#nearestOf(blocks, found, limit);
    }
  }

  #nearestOf(blocks: readonly CodeBlock[], found: readonly CodePlace[], limit: number): CodePlace[] {
    if (found.length <= limit) return [...found];
    const firsts: number[] = [];
    let first = 0;
    for (const { owners } of blocks) {
      firsts.push(first);
      first += owners.length;
    }
    const distanceOf = ({ block, at }: CodePlace): number => this.#distances[firsts[block]! + at]!;
    return found
      .toSorted((a, b) => distanceOf(a) - distanceOf(b))
      .slice(0, limit)
      .toSorted((a, b) => a.block - b.block || a.at - b.at);
  }

  #collect(blocks: readonly CodeBlock[], counts: Uint32Array, limit: number): CodePlace[] {
    // All places nearer than `last` are taken, and of those at `last` as many as there is room for.
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
