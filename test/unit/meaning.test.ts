import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Random } from "../../simulation/random.ts";
import { MAX_DIMENSIONS } from "../../src/api/embedding.ts";
import { MEANING, pointsFor } from "../../src/prompt/meaning/closeness.ts";
import { CodeScan } from "../../src/prompt/meaning/codes.ts";
import { bitsOf } from "../../src/prompt/meaning/hamming.ts";
import {
  codeOf,
  codeWords,
  nearness,
  soughtVector,
  storedBytes,
  storeVector,
  unitVector,
} from "../../src/prompt/meaning/vector.ts";
import { compileHamming, HAMMING_WASM } from "../../tools/compile-wasm.ts";

function randomVector(random: Random, dimensions: number): Float32Array {
  return Float32Array.from({ length: dimensions }, () => random.next() * 2 - 1);
}

function cosine(one: ArrayLike<number>, other: ArrayLike<number>): number {
  const [a, b] = [unitVector(one), unitVector(other)];
  return a.reduce((sum, number, at) => sum + number * (b[at] ?? 0), 0);
}

describe("a vector", () => {
  it("is stored with one byte for each number, and is as near to others as before, to 1 %", () => {
    const random = new Random(1);
    for (const dimensions of [3, 8, 512, 1_024, MAX_DIMENSIONS]) {
      const [one, other] = [randomVector(random, dimensions), randomVector(random, dimensions)];
      const stored = storeVector(unitVector(other));
      expect(stored).toHaveLength(storedBytes(dimensions));
      expect(nearness(unitVector(one), stored, 0)).toBeCloseTo(cosine(one, other), 2);
      expect(nearness(unitVector(other), stored, 0)).toBeCloseTo(1, 2);
    }
  });

  it("is found among others in the same bytes", () => {
    const random = new Random(2);
    const [one, other] = [randomVector(random, 24), randomVector(random, 24)];
    const bytes = new Uint8Array(2 * storedBytes(24));
    bytes.set(storeVector(unitVector(one)), 0);
    bytes.set(storeVector(unitVector(other)), storedBytes(24));
    expect(nearness(unitVector(one), bytes, storedBytes(24))).toBeCloseTo(cosine(one, other), 2);
  });

  it.each([
    ["no number", []],
    ["nothing but zeros", [0, 0, 0]],
    ["a number that is none", [1, Number.NaN]],
    ["an infinite one", [1, Number.POSITIVE_INFINITY]],
    ["too many", new Float32Array(MAX_DIMENSIONS + 1).fill(1)],
  ])("has a length: one of %s is refused", (_what, numbers) => {
    expect(() => unitVector(numbers)).toThrow(RangeError);
  });
});

describe("codes", () => {
  it("count the bits of a word", () => {
    expect([0, 1, 3, 0x8000_0000, -1, 0x5555_5555].map(bitsOf)).toEqual([0, 1, 2, 1, 32, 16]);
  });

  it("are compared by a module that is compiled from the text beside it", async () => {
    expect(readFileSync(HAMMING_WASM).equals(await compileHamming())).toBe(true);
  });

  it("represent only the first 1,024 numbers", () => {
    const vector = new Float32Array(2_000).fill(-1);
    expect(codeWords(2_000)).toBe(32);
    vector[1_023] = 1;
    vector[1_024] = 1;
    expect([...codeOf(unitVector(vector))].map(bitsOf).reduce((sum, bits) => sum + bits, 0)).toBe(1);
  });

  it("find as many of the nearest as requested, and no empty slot", () => {
    const { code } = soughtVector([1, 1, 1, 1]);
    const near = (...bits: number[]): Uint32Array => codeOf(unitVector(bits));
    const codes = new Uint32Array([
      ...near(-1, -1, -1, 1),
      ...near(1, 1, 1, 1),
      ...near(1, 1, 1, -1),
      ...near(1, 1, 1, 1),
    ]);
    const blocks = [
      { codes, owners: Int32Array.of(5, 6, 7, 0) },
      { codes, owners: Int32Array.of(-1, -2, 0, 8) },
    ];
    const scan = new CodeScan();
    const owners = (limit: number, isWanted = (_owner: number): boolean => true): number[] =>
      scan.nearest(blocks, code, limit, isWanted).map(({ owner }) => owner);
    expect(owners(3)).toEqual([6, -2, 8]);
    expect(owners(4)).toEqual([6, 7, -2, 8]);
    expect(owners(2)).toEqual([6, -2]);
    expect(owners(100)).toEqual([5, 6, 7, -1, -2, 8]);
    expect(owners(100, (owner) => owner > 6)).toEqual([7, 8]);
    expect(owners(0)).toEqual([]);
    expect(scan.nearest([], code, 5, () => true)).toEqual([]);
    expect(scan.nearest(blocks, code, 1, () => true)).toEqual([{ block: 0, at: 1, owner: 6 }]);
  });

  it("keep nearly all of the nearest among the 200 of 2,000 that are compared", () => {
    const random = new Random(4);
    const centres = Array.from({ length: 20 }, () => randomVector(random, 128));
    const around = (centre: Float32Array): Float32Array =>
      unitVector(centre.map((number) => number + (random.next() * 2 - 1) * 0.8));
    const units = Array.from({ length: 2_000 }, (_, at) => around(centres[at % 20]!));
    const words = codeWords(128);
    const codes = new Uint32Array(units.length * words);
    for (const [at, unit] of units.entries()) codes.set(codeOf(unit), at * words);
    const blocks = [{ codes, owners: Int32Array.from(units, (_, at) => at + 1) }];
    let found = 0;
    for (const centre of centres.slice(0, 5)) {
      const query = around(centre);
      const nearest = units
        .map((unit, at) => ({ owner: at + 1, near: unit.reduce((sum, number, i) => sum + number * query[i]!, 0) }))
        .toSorted((one, other) => other.near - one.near)
        .slice(0, 20);
      const compared = new Set(
        new CodeScan().nearest(blocks, soughtVector(query).code, 200, () => true).map(({ owner }) => owner),
      );
      found += nearest.filter(({ owner }) => compared.has(owner)).length;
    }
    expect(found).toBeGreaterThan(95);
  });
});

describe("the score for meaning", () => {
  const near = [
    { seq: 3, nearness: 0.9 },
    { seq: 5, nearness: 0.5 },
    { seq: 9, nearness: 0.7 },
  ];

  /** The highest score of each turn. */
  const pointsOf = (...[nearTurns, ...rest]: Parameters<typeof pointsFor>): Map<number, number> => {
    const { term, seqs, scores, lends } = pointsFor(nearTurns, ...rest);
    expect({ term, lends }).toEqual({ term: MEANING, lends: false });
    const best = new Map<number, number>();
    for (const [at, seq] of seqs.entries()) best.set(seq, Math.max(best.get(seq) ?? 0, scores[at] ?? 0));
    return best;
  };

  it("adds a share of the best turn's score for words, rising from the farthest turn to the nearest", () => {
    const points = pointsOf(near, 10, 0.2, 0);
    expect(points.get(3)).toBeCloseTo(2);
    expect(points.get(5)).toBe(0);
    expect(points.get(9)).toBeCloseTo(1);
  });

  it("goes in part to the turns next to a near one", () => {
    const points = pointsOf(near, 10, 0.2, 0.5);
    expect([2, 4, 8, 10].map((seq) => points.get(seq)?.toFixed(2))).toEqual(["1.00", "1.00", "0.50", "0.50"]);
  });

  it("decides alone if no turn has a word of the query, and ranks equal turns equally", () => {
    expect(pointsOf(near, 0, 0.2, 0).get(3)).toBeCloseTo(0.2);
    const equal = pointsOf([near[0]!, { seq: 4, nearness: 0.9 }], 10, 0.2, 0);
    expect([equal.get(3), equal.get(4)]).toEqual([2, 2]);
  });
});
