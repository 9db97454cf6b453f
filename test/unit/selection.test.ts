import { describe, expect, it } from "vitest";
import { type Candidate, choose } from "../../src/summarizer/selection.ts";

/** Which statements a summary keeps, by their terms alone. */

const ROOMY = 1_000;

function statement(keys: string, change: Partial<Candidate> = {}): Candidate {
  const terms = keys.split(" ").map((key) => ({ key, weight: 1 }));
  return { terms, worth: 1, tokens: 10, openingTokens: 2, group: {}, ...change };
}

const chooseOf = (
  candidates: readonly Candidate[],
  { known = [], budget = ROOMY, maxOpenings = 100 }: { known?: string[]; budget?: number; maxOpenings?: number } = {},
): number[] => choose(candidates, new Set(known), budget, maxOpenings);

describe("what is chosen of a chat", () => {
  it("leaves out what says nothing new", () => {
    expect(chooseOf([statement("fee berth euro"), statement("fee berth")])).toEqual([0]);
  });

  it("tells nothing again that an earlier item says", () => {
    expect(chooseOf([statement("fee berth"), statement("crane day")], { known: ["fee", "berth"] })).toEqual([1]);
  });

  it("weighs a word that the chat comes back to more than its rarity alone", () => {
    // Among 43 statements "fee" is rarer than "crane", which is said twice. For 120 tokens against 102 rarity alone would choose the fee.
    const unaffordable = { tokens: 5_000 };
    const others = Array.from({ length: 40 }, (_, at) => statement(`other${at}`, unaffordable));
    const fee = statement("fee", { tokens: 100, openingTokens: 20 });
    const crane = statement("crane", { tokens: 82, openingTokens: 20 });
    expect(chooseOf([fee, crane, statement("crane", unaffordable), ...others], { budget: 130 })).toEqual([1]);
  });

  it("opens no more items than it may", () => {
    const many = Array.from({ length: 6 }, (_, at) => statement(`word${at}`));
    expect(chooseOf(many, { maxOpenings: 2 })).toHaveLength(2);
  });

  it("goes on with an item for what stands beside it, which opens none", () => {
    const group = {};
    const side = [statement("fee", { group }), statement("berth", { group }), statement("crane")];
    expect(chooseOf(side, { maxOpenings: 1 })).toEqual([0, 1]);
  });

  it("keeps to its budget, the frames of items counted", () => {
    expect(chooseOf([statement("fee"), statement("berth")], { budget: 23 })).toHaveLength(1);
    expect(chooseOf([statement("fee"), statement("berth")], { budget: 24 })).toHaveLength(2);
  });
});
