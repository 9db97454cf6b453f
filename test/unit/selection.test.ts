import { describe, expect, it } from "vitest";
import { type Candidate, choose } from "../../src/summarizer/selection.ts";

/** Which statements a summary keeps, only by their terms. */

const ROOMY = 1_000;

function statement(keys: string, change: Partial<Candidate> = {}): Candidate {
  const terms = keys.split(" ").map((key) => ({ key, weight: 1 }));
  return { terms, worth: 1, tokens: 10, openingTokens: 2, group: {}, ...change };
}

const chooseOf = (
  candidates: readonly Candidate[],
  { known = [], budget = ROOMY, maxOpenings = 100 }: { known?: string[]; budget?: number; maxOpenings?: number } = {},
): number[] => choose(candidates, new Set(known), budget, maxOpenings);

describe("the statements chosen from a chat", () => {
  it("contain nothing that says nothing new", () => {
    expect(chooseOf([statement("fee berth euro"), statement("fee berth")])).toEqual([0]);
  });

  it("repeat nothing that an earlier item says", () => {
    expect(chooseOf([statement("fee berth"), statement("crane day")], { known: ["fee", "berth"] })).toEqual([1]);
  });

  it("give a word that the chat returns to more weight than its rarity alone", () => {
    // Among 43 statements "fee" is rarer than "crane", which occurs twice. With 120 tokens against 102, rarity alone would choose the fee.
    const unaffordable = { tokens: 5_000 };
    const others = Array.from({ length: 40 }, (_, at) => statement(`other${at}`, unaffordable));
    const fee = statement("fee", { tokens: 100, openingTokens: 20 });
    const crane = statement("crane", { tokens: 82, openingTokens: 20 });
    expect(chooseOf([fee, crane, statement("crane", unaffordable), ...others], { budget: 130 })).toEqual([1]);
  });

  it("form at most the allowed number of items", () => {
    const many = Array.from({ length: 6 }, (_, at) => statement(`word${at}`));
    expect(chooseOf(many, { maxOpenings: 2 })).toHaveLength(2);
  });

  it("that are next to a chosen one continue its item instead of starting one", () => {
    const group = {};
    const side = [statement("fee", { group }), statement("berth", { group }), statement("crane")];
    expect(chooseOf(side, { maxOpenings: 1 })).toEqual([0, 1]);
  });

  it("fit the budget, including the overhead of items", () => {
    expect(chooseOf([statement("fee"), statement("berth")], { budget: 23 })).toHaveLength(1);
    expect(chooseOf([statement("fee"), statement("berth")], { budget: 24 })).toHaveLength(2);
  });
});
