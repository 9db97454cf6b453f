import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groups, measure, windows } from "../../scripts/measure-tokens.ts";
import { estimateTokens } from "../../src/memory/tokens.ts";

const all = groups();
const spoken = all.filter(({ kind }) => kind !== "adversarial");

/** Texts read of each group, so that the true tokenizer, which is slow, has done within seconds. */
const MOST_TEXTS = 60;
const LONG = 2_000;
const SHORT = 200;

function samplesOf(texts: readonly string[], length: number) {
  const step = Math.max(1, Math.floor(texts.length / MOST_TEXTS));
  return windows(
    texts.filter((_, place) => place % step === 0),
    length,
    4,
  );
}

describe("the estimate of tokens, against o200k_base", () => {
  it.each(spoken)(
    "of $name is never more than 5 % under the true count over 2,000 characters",
    ({ name, kind, texts }) => {
      const samples = samplesOf(texts, LONG);
      if (samples.length === 0) return;
      expect(measure(name, kind, samples).min).toBeGreaterThanOrEqual(0.95);
    },
  );

  it.each(spoken)(
    "of $name is seldom more than 5 % and never more than 15 % under over 200 characters",
    ({ name, kind, texts }) => {
      const row = measure(name, kind, samplesOf(texts, SHORT));
      expect(row.min).toBeGreaterThanOrEqual(0.85);
      expect(row.under).toBeLessThanOrEqual(Math.max(2, row.samples / 25));
    },
  );

  it.each(spoken)("of $name is at most half over the true count on average", ({ name, kind, texts }) => {
    expect(measure(name, kind, samplesOf(texts, SHORT)).mean).toBeLessThanOrEqual(1.5);
  });

  it("is 0 for nothing, and a whole number for anything", () => {
    expect(estimateTokens("")).toBe(0);
    for (const text of ["a", "\ud800", "\udc00\ud800", "\u0000", "🙂".repeat(50), " ".repeat(5_000)]) {
      expect(Number.isInteger(estimateTokens(text))).toBe(true);
      expect(estimateTokens(text)).toBeGreaterThan(0);
    }
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
      { numRuns: 5_000, seed: 20261122 },
    );
  });

  it("never falls when a text grows", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(estimateTokens(before)).toBeLessThanOrEqual(estimateTokens(before + after));
      }),
      { numRuns: 5_000, seed: 20261122 },
    );
  });
});
