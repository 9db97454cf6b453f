import { describe, expect, it } from "vitest";
import { scoreMatches, type WeighedTerm } from "../../src/prompt/retrieval/bm25.ts";
import { MessageLengths } from "../../src/prompt/retrieval/message-lengths.ts";
import { DEFAULT_RANKING, type RankingParameters } from "../../src/prompt/retrieval/parameters.ts";
import { MAX_MATCHES, planLookups } from "../../src/prompt/retrieval/plan.ts";
import { MAX_QUERY_TERMS, readQuery } from "../../src/prompt/retrieval/query.ts";
import { MAX_TIMES, termsWithTimes } from "../../src/prompt/retrieval/repeats.ts";
import { analyze } from "../../src/prompt/retrieval/terms.ts";
import { TurnScores } from "../../src/prompt/retrieval/turn-scores.ts";

/** Each rule of the ranking by itself. In a search several rules apply at once, and one may hide another's mistake. */

function termOf(change: Partial<WeighedTerm> = {}): WeighedTerm {
  return {
    index: 0,
    field: "user",
    tokens: ["boat"],
    isPrefix: false,
    documents: 2,
    allDocuments: 2,
    weight: 1,
    ...change,
  };
}

/** @param lengths lengths of the messages in terms, from seq 1 on; negative if it is not a user's */
function scoresOf(
  lengths: readonly number[],
  times: readonly number[],
  term: Partial<WeighedTerm> = {},
  parameters: RankingParameters = DEFAULT_RANKING,
): readonly number[] {
  const known = new MessageLengths();
  for (const [at, length] of lengths.entries()) known.set(at + 1, length);
  const judging = { lengths: known, statistics: known.statistics(lengths.length), parameters };
  const seqs = lengths.map((_, at) => at + 1);
  return scoreMatches(termOf(term), seqs, times, judging).scores;
}

describe("the score of a match", () => {
  it("rises with how often the message contains the word", () => {
    const [once = 0, fourTimes = 0] = scoresOf([20, 20], [1, 4]);
    expect(fourTimes).toBeGreaterThan(once * 1.2);
  });

  it("is lower for an essay of the assistant, but not for a user's long turn", () => {
    const length = DEFAULT_RANKING.longAnswer * 2;
    const anyLength = { ...DEFAULT_RANKING, longAnswer: length * 2 };
    const essay = { field: "answer" } as const;
    const others = [-20, -20, -20, 20, 20, 20];
    const first = (mine: number, term: Partial<WeighedTerm>, parameters?: RankingParameters): number =>
      scoresOf([mine, ...others], [], term, parameters)[0] ?? 0;
    expect(first(-length, essay)).toBeLessThan(first(-length, essay, anyLength));
    expect(first(length, {})).toBe(first(length, {}, anyLength));
  });
});

it("counts a word each time that it occurs, up to a maximum", () => {
  const indexed = termsWithTimes(Array.from({ length: MAX_TIMES + 1 }, () => "boat"));
  expect(indexed).toHaveLength(MAX_TIMES);
  expect(indexed.at(-1)).toBe(`${MAX_TIMES}§boat`);
});

it("finds a word of any length by its beginning", () => {
  expect(analyze("x".repeat(500)).map(({ length }) => length)).toEqual([64]);
});

describe("the terms that are looked up for a query", () => {
  it("are the rarest first; what is too common for the rest of the budget comes last", () => {
    const term = (index: number, documents: number): WeighedTerm => termOf({ index, documents });
    const { listed, deferred } = planLookups([term(0, MAX_MATCHES - 1), term(1, 10), term(2, 200)]);
    expect(listed.map(({ index }) => index)).toEqual([1, 2]);
    expect(deferred.map(({ index }) => index)).toEqual([0]);
  });

  it("prefer words in text to words in code, however rare", () => {
    const { listed } = planLookups([
      termOf({ index: 0, field: "code", documents: 1 }),
      termOf({ index: 1, documents: 9 }),
    ]);
    expect(listed.map(({ index }) => index)).toEqual([1, 0]);
  });
});

describe("a query", () => {
  it("that is long is read at both ends", () => {
    const words = Array.from({ length: MAX_QUERY_TERMS * 2 }, (_, at) => `word${at}x`);
    const terms = readQuery(words.join(" ")).terms.map(({ term }) => term);
    expect(terms).toHaveLength(MAX_QUERY_TERMS);
    expect(terms).toContain(analyze(words[0] ?? "")[0]);
    expect(terms).toContain(analyze(words.at(-1) ?? "")[0]);
  });

  it("can name a person in lower case, unless the name is a common word", () => {
    expect(readQuery("what did mira say about boats", ["Mira", "Jonas"]).authors).toEqual(["Mira"]);
    expect(readQuery("what will be said about boats", ["Will", "Jonas"]).authors).toEqual([]);
  });
});

it("ranks turns with equal scores by age, newest first", () => {
  const lengths = new MessageLengths();
  for (const seq of [1, 2, 3]) lengths.set(seq, 9);
  const scores = new TurnScores();
  scores.begin({ lastSeq: 3, lengths, isMonologue: false });
  scores.addPoints([{ term: 0, seqs: [1, 2, 3], scores: [1, 1, 1], lends: false }]);
  expect(scores.top(3)).toEqual([3, 2, 1]);
});
