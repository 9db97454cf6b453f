import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assembleContext } from "../../src/prompt/context.ts";
import { budgetFor, plainBudget, tokenizerOf } from "../../src/tokens/tokenizers.ts";
import { candidatesOf, chat, inputOf } from "../support/context-arbitraries.ts";

describe("a budget in Claude's tokens", () => {
  it("is counted with a third more tokens, so that less fits", () => {
    fc.assert(
      fc.property(chat, fc.integer({ min: 256, max: 20_000 }), (value, maxTokens) => {
        const input = inputOf(value, maxTokens, candidatesOf(value));
        const plain = assembleContext(input);
        const { tokens, messages } = assembleContext({ ...input, tokenizer: "claude" });
        expect(tokens.budget).toBe(maxTokens);
        expect(tokens.used).toBeLessThanOrEqual(maxTokens);
        expect(tokens.used).toBe(tokens.summary + tokens.messages + tokens.retrieved);
        const isSame = JSON.stringify(messages) === JSON.stringify(plain.messages);
        if (isSame) expect(tokens.messages).toBe(Math.ceil((plain.tokens.messages * 135) / 100));
      }),
      { numRuns: 60, seed: 20261129 },
    );
  });

  it("of exactly so many tokens has room for them, and one less has not", () => {
    for (let plain = 1; plain <= 20_000; plain += 1) {
      expect(plainBudget(budgetFor(plain, "claude"), "claude")).toBe(plain);
      expect(plainBudget(budgetFor(plain, "claude") - 1, "claude")).toBeLessThan(plain);
    }
  });

  it("only applies to Anthropic's format", () => {
    expect((["anthropic", "openai-chat", "ai-sdk", "threadkeep"] as const).map(tokenizerOf)).toEqual([
      "claude",
      "o200k",
      "o200k",
      "o200k",
    ]);
  });
});
