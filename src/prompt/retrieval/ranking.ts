import type { Seq } from "../../api/message.ts";
import { isLongAnswer } from "./bm25.ts";
import type { MessageLengths } from "./message-lengths.ts";
import type { RankingParameters } from "./parameters.ts";
import type { Query } from "./query.ts";
import type { TurnItems } from "./turn-items.ts";
import type { Matches, TurnScores } from "./turn-scores.ts";

export interface Candidate {
  readonly seq: Seq;
  readonly author: string | null;
  /** Share of the text that consists of questions, 0 to 1. */
  readonly asks: number;
}

/** What the ranking knows about the log. */
export interface RankedLog {
  readonly lengths: MessageLengths;
  readonly throughSeq: Seq;
  readonly parameters: RankingParameters;
  readonly items?: TurnItems | undefined;
  /** Turns that are near enough to the query in meaning to be reported as such. */
  readonly near: ReadonlySet<Seq>;
}

export interface RankedTurn {
  readonly seq: Seq;
  /** Comparable within one query only. */
  readonly score: number;
  /** Why it was found, for people to read. */
  readonly why: string;
}

/** Makes the final order: each score times the turn's own factors. */
export function rankTurns(
  query: Query,
  candidates: readonly Candidate[],
  matches: readonly Matches[],
  dates: readonly Matches[],
  scores: TurnScores,
  limit: number,
  log: RankedLog,
): RankedTurn[] {
  const { namedAuthor } = log.parameters;
  const isNamed = (author: string | null): boolean => author !== null && query.authors.includes(author);
  const ranked = candidates
    .map((turn) => ({
      seq: turn.seq,
      author: turn.author,
      score: scores.of(turn.seq) * priorOf(turn, query, log) * (isNamed(turn.author) ? namedAuthor : 1),
    }))
    // Compares instead of subtracting, because each difference would be allocated on the heap as a number.
    .sort((a, b) => (a.score === b.score ? b.seq - a.seq : a.score > b.score ? -1 : 1))
    .slice(0, limit);
  const found = new Map(ranked.map(({ seq }) => [seq, new Set<string>()]));
  // Only a few of a thousand matches are ranked. An array tells which in a tenth of the time of a map.
  const isRanked = new Uint8Array(Math.max(0, ...found.keys()) + 1);
  for (const seq of found.keys()) isRanked[seq] = 1;
  for (const { term, seqs } of matches) {
    for (const seq of seqs) if (isRanked[seq] === 1) found.get(seq)?.add(query.terms[term]?.term ?? "");
  }
  const dated = new Set(dates.flatMap(({ seqs }) => seqs));
  return ranked.map(({ seq, score, author }) => {
    const terms = [...(found.get(seq) ?? [])];
    const reasons = terms.length > 0 ? [`matches ${terms.join(", ")}`] : [];
    if (log.near.has(seq)) reasons.push("near in meaning");
    else if (terms.length === 0) reasons.push("stands beside matches");
    if (dated.has(seq)) reasons.push("of the date asked for");
    if (isNamed(author)) reasons.push(`by ${author}`);
    return { seq, score: Math.round(score * 1000) / 1000, why: reasons.join("; ") };
  });
}

/**
 * Factor of a turn that does not depend on the query's words: what kind of turn it is, who said it, and whether the
 * query asks for answers.
 */
function priorOf(
  { seq, asks }: Candidate,
  query: Query,
  { lengths, throughSeq, parameters, items }: RankedLog,
): number {
  const { questionDiscount, longAnswerWeight, askedOfAnswers } = parameters;
  const wish = items?.isWish(seq) === true ? parameters.wish : 1;
  if (lengths.sideOf(seq) > 0) return wish * (lengths.isAnswered(seq, throughSeq) ? 1 : 1 - questionDiscount * asks);
  const long = isLongAnswer(seq, lengths, parameters) ? longAnswerWeight : 1;
  return wish * (1 - questionDiscount * asks) * long * (query.asksForAnswers ? askedOfAnswers : 1);
}
