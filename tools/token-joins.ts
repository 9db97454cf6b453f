/** Text made of tokens in a row, on which a tokenizer and an estimate of it are most likely to differ. */
import ranks from "gpt-tokenizer/bpeRanks/o200k_base";
import { createRandom } from "../simulation/random.ts";

/** The kinds of tokens that are joined. */
const KINDS: Record<string, RegExp> = {
  "small letters": /^[a-z]{1,6}$/,
  letters: /^[A-Za-z]{1,5}$/,
  Cyrillic: /^\p{Script=Cyrillic}{1,5}$/u,
  Arabic: /^\p{Script=Arabic}{1,5}$/u,
  ideographs: /^\p{Script=Han}{1,3}$/u,
  Hangul: /^\p{Script=Hangul}{1,3}$/u,
  punctuation: /^[^\p{L}\p{N}\s]{1,6}$/u,
  "words of any script": /^\p{L}{1,8}$/u,
};
/** Half of the tokens come from these lowest ranks of their kind, whose pairs are most often tokens themselves. */
const COMMON = 3_000;

/** Joins of two to five tokens, by kind, from a seed. */
export function tokenJoins(seed: number, count: number): Map<string, string[]> {
  const next = createRandom(seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const texts = ranks.filter((token) => typeof token === "string");
  const joins = new Map<string, string[]>();
  for (const [name, pattern] of Object.entries(KINDS)) {
    const tokens = texts.filter((token) => pattern.test(token));
    const pick = (): string => tokens[below(Math.min(tokens.length, next() < 0.5 ? COMMON : Infinity))] ?? "";
    const join = (): string => Array.from({ length: 2 + below(4) }, pick).join("");
    joins.set(name, Array.from({ length: count }, join));
  }
  return joins;
}

/** How many joins of a kind follow one another in a text. */
const JOINS_IN_TURN = 400;

/** Texts of joins: different joins in a row, and single joins repeated, this many of each kind. */
export function joinTexts(seed: number, repeatedPerKind: number): Map<string, string[]> {
  const inTurn: string[] = [];
  const repeated: string[] = [];
  for (const joins of tokenJoins(seed, Math.max(JOINS_IN_TURN, repeatedPerKind)).values()) {
    const some = joins.slice(0, JOINS_IN_TURN);
    inTurn.push(some.join(" "), some.join(""));
    for (const join of joins.slice(0, repeatedPerKind)) {
      const again = `${join} `;
      repeated.push(again.repeat(Math.ceil(220 / again.length)));
    }
  }
  return new Map([
    ["tokens joined", inTurn],
    ["one join of tokens over and over", repeated],
  ]);
}
