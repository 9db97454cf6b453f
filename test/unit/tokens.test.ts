import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it } from "vitest";
import { declarations, groups, measure, windows } from "../../scripts/measure-tokens.ts";
import { estimateTokens } from "../../src/memory/tokens.ts";

const all = groups();
const most = { natural: 60, language: 3, adversarial: 25 };

describe("estimateTokens against o200k_base", () => {
  for (const { name, kind, texts } of all) {
    it(`${name}: no text of 200 characters or more more than 5 % under`, () => {
      for (const text of texts) {
        if (text.length < 200) continue;
        const truth = countTokens(text.slice(0, 6000).toWellFormed());
        expect(estimateTokens(text.slice(0, 6000)) / truth).toBeGreaterThanOrEqual(0.95);
      }
    });
  }
});
