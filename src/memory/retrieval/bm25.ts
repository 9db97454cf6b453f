import type { Seq } from "../../contracts/message.ts";
import type { MessageLengths } from "./message-lengths.ts";
import { repeatsOf, timesIn } from "./repeats.ts";
import type { Matches } from "./turn-scores.ts";

/** How much a term in a message tells: BM25, in the form and with the parameters that FTS5 uses. Pure. */

const K1 = 1.2;
const B = 0.75;

/** The least that a term tells, however common: a match is better than none. */
const MIN_RARITY = 1e-6;

/** The messages that a query is asked of, as numbers. */
export interface LogStatistics {
  /** Messages with words. */
  readonly messages: number;
  /** Terms of a message with words, on average. */
  readonly meanLength: number;
}

/** Robertson and Spärck Jones's weight of a term that stands in so many of the messages. */
function rarityOf(documents: number, messages: number): number {
  return Math.max(MIN_RARITY, Math.log((messages - documents + 0.5) / (documents + 0.5)));
}

/**
 * @param count how often the term stands in the message, times the message's weight
 * @param length of the message, in terms
 */
function bm25(rarity: number, count: number, length: number, meanLength: number): number {
  return (rarity * count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / meanLength));
}

/** A term that is looked for, and what is known of it. */
export interface WeighedTerm {
  /** Its place in the query. */
  readonly index: number;
  readonly term: string;
  readonly isPrefix: boolean;
  /** Messages that it stands in. */
  readonly documents: number;
}

/** Scores the matches of a term. @param times how often each of them says it */
export function scoreMatches(
  { index, documents }: WeighedTerm,
  seqs: readonly Seq[],
  times: readonly number[],
  lengths: MessageLengths,
  { messages, meanLength }: LogStatistics,
): Matches {
  const rarity = rarityOf(documents, messages);
  const scores: number[] = [];
  for (let at = 0; at < seqs.length; at++) {
    const seq = seqs[at]!;
    scores.push(bm25(rarity, (times[at] ?? 1) * lengths.weightOf(seq), lengths.of(seq), meanLength));
  }
  return { term: index, seqs, scores };
}

/** Scores a term on some messages, of which the terms are at hand, with a space at either end. */
export function scoreTexts(
  term: WeighedTerm,
  texts: readonly { readonly seq: Seq; readonly terms: string }[],
  lengths: MessageLengths,
  statistics: LogStatistics,
): Matches {
  const seqs: Seq[] = [];
  const times: number[] = [];
  const repeats = term.isPrefix ? [] : repeatsOf(term.term);
  const wanted = term.isPrefix ? ` ${term.term}` : ` ${term.term} `;
  for (const { seq, terms } of texts) {
    if (!terms.includes(wanted)) continue;
    seqs.push(seq);
    times.push(timesIn(terms, repeats));
  }
  return scoreMatches(term, seqs, times, lengths, statistics);
}
