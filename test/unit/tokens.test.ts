import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostileTexts } from "../../scripts/hostile-text.ts";
import { measure } from "../../scripts/measure-tokens.ts";
import { languageGroups, lenders, naturalGroups, windows } from "../../scripts/token-samples.ts";
import { estimateTokens } from "../../src/memory/tokens.ts";
import { packSet, setBit, SET_BITS, unpackSet } from "../../src/memory/tokens/sketch.ts";

const natural = naturalGroups();
const languages = languageGroups();
const spoken = [...natural, languages.fitted, languages.heldOut];
/** From a seed of no fit. */
const hostile = [...hostileTexts(20_261_122, lenders(natural))].map(([name, texts]) => ({ name, texts }));

/** Texts read of each group, so that the true tokenizer, which is slow, has done within seconds. */
const MOST_TEXTS = 60;
const LONG = 2_000;
const SHORT = 200;

function samplesOf(texts: readonly string[], length: number, perText = 4) {
  const step = Math.max(1, Math.floor(texts.length / MOST_TEXTS));
  return windows(
    texts.filter((_, place) => place % step === 0),
    length,
    perText,
  );
}

const LEAST = 0.95;
/** Where the least ratio over 200 characters is known to be missed, and how far. */
const EXCEPTIONS: Record<string, number> = {
  English: 0.94,
  JSON: 0.93,
  "languages fitted": 0.9,
  "languages held out": 0.88,
  "random letters": 0.9,
  "capitals, no spaces, shuffled": 0.88,
  "natural with garbage": 0.93,
  "combining marks": 0.87,
  "few characters over and over": 0.77,
  "one group over and over": 0.5,
};
/** The mean over the true count, and where it is known to be missed. */
const MOST_MEAN = 1.15;
const MEAN_EXCEPTIONS: Record<string, number> = {
  German: 1.25,
  Korean: 1.19,
  Hindi: 1.17,
};

describe("the estimate of tokens, against o200k_base", () => {
  it.each(spoken)("of $name is never more than 5 % under the true count over 2,000 characters", ({ name, texts }) => {
    const samples = samplesOf(texts, LONG);
    if (samples.length === 0) return;
    expect(measure(name, samples).min).toBeGreaterThanOrEqual(LEAST);
  });

  it.each([...spoken, ...hostile])("of $name is not more than 5 % under over 200 characters", ({ name, texts }) => {
    expect(measure(name, samplesOf(texts, SHORT)).min).toBeGreaterThanOrEqual(EXCEPTIONS[name] ?? LEAST);
  });

  it.each(natural)("of $name is over the true count on average by no more than is known", ({ name, texts }) => {
    const row = measure(name, [...samplesOf(texts, SHORT), ...samplesOf(texts, 500, 8), ...samplesOf(texts, LONG)]);
    expect(row.mean).toBeLessThanOrEqual(MEAN_EXCEPTIONS[name] ?? MOST_MEAN);
  });

  it("is 0 for nothing, and a whole number for anything", () => {
    expect(estimateTokens("")).toBe(0);
    for (const text of ["a", "\ud800", "\udc00\ud800", "\u0000", "🙂".repeat(50), " ".repeat(5_000)]) {
      expect(Number.isInteger(estimateTokens(text))).toBe(true);
      expect(estimateTokens(text)).toBeGreaterThan(0);
    }
  });

  it("is the same whatever was estimated before", () => {
    const text = "the same words, the same count; the same words";
    const first = estimateTokens(text);
    estimateTokens(text.repeat(3));
    expect(estimateTokens(text)).toBe(first);
  });

  it("takes time by length alone, so that no text stalls a request", () => {
    const took = (length: number): number => {
      const long = "ab ".repeat(length / 3);
      const start = performance.now();
      estimateTokens(long);
      return performance.now() - start;
    };
    took(300_000);
    const short = Math.min(...Array.from({ length: 5 }, () => took(300_000)));
    const long = Math.min(...Array.from({ length: 3 }, () => took(3_000_000)));
    expect(long).toBeLessThan(40 * short + 20);
  });
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom("a", "Z", " ", "\n", "1", ".", "é", "今", "ق", "क", "🙂", "\ud83d", "\ude42"),
    maxLength: 60,
  }),
  fc.lorem({ maxCount: 20 }),
);

describe("the estimate of tokens, of parts", () => {
  it("never exceeds the sum over the parts, wherever a text is cut", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(estimateTokens(before + after)).toBeLessThanOrEqual(estimateTokens(before) + estimateTokens(after));
      }),
      { numRuns: 5_000, seed: 20261122, endOnFailure: true },
    );
  });

  it("never exceeds the sum over the parts of natural and hostile texts, nor of any two of them put together", () => {
    const whole = [...spoken, ...hostile].flatMap(({ texts }) => windows(texts.slice(0, 12), SHORT, 2));
    const piece = fc.tuple(fc.constantFrom(...whole), fc.nat(SHORT), fc.nat(SHORT));
    fc.assert(
      fc.property(piece, piece, fc.boolean(), ([from, at, length], [other, start], isSame) => {
        const before = from.slice(at, at + length);
        const after = isSame ? from.slice(at + length) : other.slice(start);
        expect(estimateTokens(before + after)).toBeLessThanOrEqual(estimateTokens(before) + estimateTokens(after));
      }),
      { numRuns: 20_000, seed: 20261122, endOnFailure: true },
    );
  });

  it("never exceeds the sum over the parts where the same comes again behind the cut", () => {
    const group = fc.tuple(text, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }));
    fc.assert(
      fc.property(group, ([again, before, after]) => {
        const estimate = (times: number): number => estimateTokens(again.repeat(times));
        expect(estimate(before + after)).toBeLessThanOrEqual(estimate(before) + estimate(after));
      }),
      { numRuns: 5_000, seed: 20261122, endOnFailure: true },
    );
  });

  it("never falls when a text grows", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(estimateTokens(before)).toBeLessThanOrEqual(estimateTokens(before + after));
      }),
      { numRuns: 5_000, seed: 20261122, endOnFailure: true },
    );
  });
});

describe("the set of single characters", () => {
  it("unpacks to the members that were packed, whatever their gaps", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(SET_BITS - 1), { maxLength: 60 }), (members) => {
        const bits = new Uint8Array(SET_BITS / 8);
        for (const member of members) setBit(bits, member);
        const base64 = Buffer.from(packSet(members)).toString("base64");
        expect(Buffer.from(unpackSet(base64)).equals(bits)).toBe(true);
      }),
      { numRuns: 200, seed: 20261122, endOnFailure: true },
    );
  });
});
