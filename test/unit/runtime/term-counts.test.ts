import { describe, expect, it } from "vitest";
import { MAX_MATCHES } from "../../../src/prompt/retrieval/plan.ts";
import type { SearchTables } from "../../../src/session/search/tables.ts";
import { TermCounts } from "../../../src/session/search/term-counts.ts";

const COMMON = MAX_MATCHES + 1;

/** Tables in which one word is in more messages than are listed, and none was added since. */
function tablesOf(documents: number): SearchTables {
  const tables: Partial<SearchTables> = {
    documentCounts: (terms) => new Map(terms.map((term) => [term, documents])),
    countMatches: () => 0,
  };
  return tables as SearchTables;
}

const WORD = { term: "word", isPrefix: false };

describe("the cached count of a common word", () => {
  it.each([
    ["one before", COMMON - 1, COMMON - 1],
    ["the very last", COMMON, COMMON - 1],
    ["one that was not counted yet", COMMON + 1, COMMON],
  ])("follows an edit that removes the word from %s of the counted messages", (_, seq, left) => {
    const counts = new TermCounts(tablesOf(COMMON));
    expect(counts.count([WORD], COMMON, COMMON)).toEqual([COMMON]);
    counts.change(seq, ["word"], []);
    expect(counts.count([WORD], COMMON, COMMON)).toEqual([left]);
  });

  it("follows an edit that adds it", () => {
    const counts = new TermCounts(tablesOf(COMMON));
    counts.count([WORD], COMMON, COMMON);
    counts.change(1, ["other"], ["word"]);
    expect(counts.count([WORD], COMMON, COMMON)).toEqual([COMMON + 1]);
  });
});
