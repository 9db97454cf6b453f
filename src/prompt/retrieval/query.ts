import { ABOUT_CHAT, asksForAnswers } from "./about-chat.ts";
import { readDates } from "./dates.ts";
import { DEFAULT_RANKING, type RankingParameters } from "./parameters.ts";
import { CONTRACTION, fold, isSingleUnspaced, lookupTerms, wordsOf } from "./terms.ts";
import { piecesOf, runsOfPart } from "./word-parts.ts";

/**
 * Length of a query in UTF-16 units. If somebody pastes a document, its beginning and its end contain the question; the
 * middle would only take time.
 */
export const MAX_QUERY_LENGTH = 4_000;

/**
 * Terms of a query that are used, from its beginning and its end. Counting how common a term is takes up to
 * milliseconds in a long chat.
 */
export const MAX_QUERY_TERMS = 48;

/**
 * Only queries with at most this many terms are searched for parts of words: longer ones have enough terms, and each
 * part is a lookup.
 */
const MAX_PARTED_TERMS = 16;

/** English words without a subject. For other languages, common words are recognized only by their document counts. */
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
  /** True for a single character of a script without spaces, which is found as the beginning of a pair. */
  readonly isPrefix: boolean;
}

/** A term of a query, with alternatives by which its word may be found. */
export interface AskedTerm extends QueryTerm {
  /** Factor for its score. */
  readonly weight: number;
  /** Runs of letters in longer words that may contain the word as a part. */
  readonly runs: readonly string[];
  /** Terms that the word may be composed of, used if no message contains it as a whole. */
  readonly pieces: readonly string[];
}

export interface Query {
  readonly terms: readonly AskedTerm[];
  /** Index terms for dates, with the points for each. */
  readonly dates: readonly { readonly term: string; readonly points: number }[];
  /** The known authors whom the query names; empty if it names all of them, which would not distinguish any. */
  readonly authors: readonly string[];
  /** Number of known authors. */
  readonly voices: number;
  /** Whether it asks for what the assistant said. */
  readonly asksForAnswers: boolean;
}

/**
 * Parses a query. Any text is valid: FTS5 operators count as words, and an empty query has no terms. An author's name
 * gives that author's turns a preference instead of being searched, because people seldom say their own name. Words
 * without a subject are left out unless there are no others.
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
      // The first term is the word itself; the others are its parts.
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

/**
 * Whether a word of the query means an author. Short forms ("Meg" for Megan) need a capital letter, otherwise "car"
 * would mean Carla; the same holds for names that are common words.
 */
function isMeant(name: string, word: string, folded: string, isFirst: boolean): boolean {
  if (!name.startsWith(folded)) return false;
  const isCommon = STOP_WORDS.has(folded);
  const isCapital = /^\p{Lu}/u.test(word) && !(isFirst && isCommon);
  return name === folded ? isCapital || !isCommon : isCapital && !isCommon && folded.length >= 3;
}

/** FTS5 expression for messages that contain all tokens. */
export function allOf(tokens: readonly string[], isPrefix: boolean): string {
  return tokens.map((term) => matchExpression({ term, isPrefix })).join(" AND ");
}

/** A term as an FTS5 expression, quoted so that it cannot contain operators. */
export function matchExpression({
  term,
  isPrefix = false,
}: {
  readonly term: string;
  readonly isPrefix?: boolean;
}): string {
  return `"${term.replaceAll('"', '""')}"${isPrefix ? "*" : ""}`;
}
