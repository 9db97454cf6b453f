import { ABOUT_CHAT, asksForAnswers } from "./about-chat.ts";
import { readDates } from "./dates.ts";
import { DEFAULT_RANKING, type RankingParameters } from "./parameters.ts";
import { CONTRACTION, fold, isSingleUnspaced, lookupTerms, wordsOf } from "./terms.ts";
import { piecesOf, runsOfPart } from "./word-parts.ts";

/** UTF-16 units. A pasted document asks about its beginning and its end; the middle only costs time. */
export const MAX_QUERY_LENGTH = 4_000;

/** Terms looked at, from both ends of a query. Counting how common one is takes up to milliseconds in a long chat. */
export const MAX_QUERY_TERMS = 48;

/** Terms of a query that is read for parts of words: a longer one has enough to go by, and each part is looked up. */
const MAX_PARTED_TERMS = 16;

/** Words of English that say nothing of the subject. Other languages rely on document counts alone. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both
  but by can could d did do does doing done down during each few for from further had has have having he her here hers him
  his how i if in into is it its just ll m may me might mine more most must my no nor not of off on once only or other our
  ours out over own re s same shall she should so some such t than that the their theirs them then there these they this
  those through to too under until up us ve very was we were what when where which while who whom whose why will with
  would you your yours`.split(/\s+/),
);

export interface QueryTerm {
  readonly term: string;
  /** A single character of an unspaced script: found at the beginning of a pair. */
  readonly isPrefix: boolean;
}

/** A term of a query, and what else its word may be found by. */
export interface AskedTerm extends QueryTerm {
  /** Factor for what it tells. */
  readonly weight: number;
  /** Runs of letters of the longer words that it may be a part of. */
  readonly runs: readonly string[];
  /** Terms that it may be made of, where nobody says it as a whole. */
  readonly pieces: readonly string[];
}

export interface Query {
  readonly terms: readonly AskedTerm[];
  /** Date terms of the index, with the points that each brings. */
  readonly dates: readonly { readonly term: string; readonly points: number }[];
  /** Authors, of those given, whom the query names; empty when it names all of them, which tells nothing. */
  readonly authors: readonly string[];
  /** Authors known. */
  readonly voices: number;
  /** Whether it asks for what the assistant said. */
  readonly asksForAnswers: boolean;
}

/**
 * Reads a query. Any text is a query: operators of FTS5 are words like others here, and an empty query has no terms.
 * Names of authors become a preference for their turns, since the author seldom says their own name. Words that carry no
 * subject are left out unless there are no others.
 */
export function readQuery(
  text: string,
  knownAuthors: readonly string[] = [],
  parameters: RankingParameters = DEFAULT_RANKING,
): Query {
  const asked = cutMiddle(text, MAX_QUERY_LENGTH);
  const words = wordsOf(asked);
  const names = knownAuthors.flatMap((author) => wordsOf(author).map((part) => ({ author, name: fold(part) })));
  const named = new Set<string>();
  const subject: string[] = [];
  const rest: string[] = [];
  for (const [index, word] of words.entries()) {
    const folded = fold(word).replace(CONTRACTION, "");
    const meant = names.filter(({ name }) => isMeant(name, word, folded, index === 0));
    for (const { author } of meant) named.add(author);
    (meant.length > 0 || STOP_WORDS.has(folded) ? rest : subject).push(word);
  }
  const chosen = subject.length > 0 ? subject : rest;
  const wordOf = new Map<string, string>();
  for (const word of chosen) {
    for (const [place, term] of lookupTerms(word).entries()) {
      // The first is the word itself; others are what it is made of.
      if (!wordOf.has(term)) wordOf.set(term, place === 0 ? word : "");
    }
  }
  const terms = [...wordOf.keys()];
  const readsParts = terms.length <= MAX_PARTED_TERMS;
  const half = MAX_QUERY_TERMS / 2;
  const kept = terms.length > MAX_QUERY_TERMS ? [...terms.slice(0, half), ...terms.slice(-half)] : terms;
  const authors = named.size === knownAuthors.length ? [] : [...named];
  return {
    terms: kept.map((term): AskedTerm => {
      const word = readsParts ? (wordOf.get(term) ?? "") : "";
      return {
        term,
        isPrefix: isSingleUnspaced(term),
        weight: ABOUT_CHAT.has(term) ? parameters.aboutChat : 1,
        runs: runsOfPart(word),
        pieces: piecesOf(word),
      };
    }),
    dates: readDates(asked, parameters),
    authors,
    voices: knownAuthors.length,
    asksForAnswers: asksForAnswers(asked),
  };
}

export function cutMiddle(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength / 2)} ${text.slice(-maxLength / 2)}`;
}

/** Short forms ("Meg" for Megan) count only with a capital, lest "car" name Carla; so do names that are common words. */
function isMeant(name: string, word: string, folded: string, isFirst: boolean): boolean {
  if (!name.startsWith(folded)) return false;
  const isCommon = STOP_WORDS.has(folded);
  const isCapital = /^\p{Lu}/u.test(word) && !(isFirst && isCommon);
  return name === folded ? isCapital || !isCommon : isCapital && !isCommon && folded.length >= 3;
}

/** Tokens that a message must all have, as an FTS5 expression. */
export function allOf(tokens: readonly string[], isPrefix: boolean): string {
  return tokens.map((term) => matchExpression({ term, isPrefix })).join(" AND ");
}

/** A term as an FTS5 expression: quoted, so that nothing in it is an operator. */
export function matchExpression({
  term,
  isPrefix = false,
}: {
  readonly term: string;
  readonly isPrefix?: boolean;
}): string {
  return `"${term.replaceAll('"', '""')}"${isPrefix ? "*" : ""}`;
}
