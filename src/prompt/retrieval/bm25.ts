import type { Seq } from "../../api/message.ts";
import type { Field } from "./fields.ts";
import type { GroupStatistics, LogStatistics, MessageLengths } from "./message-lengths.ts";
import type { RankingParameters } from "./parameters.ts";
import { repeatsOf, timesIn } from "./repeats.ts";
import type { TurnItems } from "./turn-items.ts";
import type { Matches } from "./turn-scores.ts";

/** How much a term in a message tells: BM25, in the form and with the parameters that FTS5 uses. Pure. */

const K1 = 1.2;
const B = 0.75;

/** Terms of the index that each message with words has beside them: those of its date. */
export const DATE_TERMS = 5;

/**
 * Robertson and Spärck Jones's weight of a term that stands in so many of the messages, with one added: in a short log a word that stands
 * in half of the messages still tells something.
 */
function rarityOf(documents: number, messages: number): number {
  return Math.log(1 + Math.max(0, messages - documents + 0.5) / (documents + 0.5));
}

/**
 * @param count how often the term stands in the message, times the message's weight
 * @param length of the message, in terms
 */
function bm25(rarity: number, count: number, length: number, meanLength: number): number {
  return (rarity * count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / meanLength));
}

/** A term that is looked for in one field, and what is known of it. */
export interface WeighedTerm {
  /** The place in the query of the term that this is looked up for. */
  readonly index: number;
  readonly field: Field;
  /** What stands in the index; where there are several, a message must have all of them. */
  readonly tokens: readonly string[];
  readonly isPrefix: boolean;
  /** Messages that it stands in. Of several tokens the fewest of one: no message more has them all. */
  readonly documents: number;
  /** Messages that a query's term stands in, in any role. */
  readonly allDocuments: number;
  /** Factor for what it tells. */
  readonly weight: number;
}

/** How the messages of a session are judged. */
export interface Judging {
  readonly lengths: MessageLengths;
  readonly statistics: LogStatistics;
  readonly parameters: RankingParameters;
}

export function isLongAnswer(seq: Seq, lengths: MessageLengths, { longAnswer }: RankingParameters): boolean {
  return lengths.sideOf(seq) < 0 && lengths.of(seq) > longAnswer + DATE_TERMS;
}

/** Whether users' turns and answers are judged each among their own: of a few messages no word is rare. */
function areRolesApart({ statistics: { user, answers }, parameters: { rolesApart, apartFrom } }: Judging): boolean {
  return rolesApart && Math.min(user.messages, answers.messages) >= apartFrom;
}

/** Those that the term is rare or common among. */
function groupOf(field: Field, judging: Judging): GroupStatistics {
  const { statistics } = judging;
  if (field === "code" || field === "part" || !areRolesApart(judging)) return statistics.all;
  return field === "user" ? statistics.user : statistics.answers;
}

/** Scores the matches of a term. @param times how often each of them says it */
export function scoreMatches(
  term: WeighedTerm,
  seqs: readonly Seq[],
  times: readonly number[],
  judging: Judging,
): Matches {
  const { index, field, documents, allDocuments, weight } = term;
  const { lengths, parameters } = judging;
  const isSaid = field === "user" || field === "answer";
  const { messages, meanLength } = groupOf(field, judging);
  const rarity = weight * rarityOf(isSaid && !areRolesApart(judging) ? allDocuments : documents, messages);
  const scores: number[] = [];
  for (let at = 0; at < seqs.length; at++) {
    const seq = seqs[at]!;
    // Code and parts of words have no counts, and their messages' lengths are those of the words.
    if (!isSaid) scores.push(rarity);
    else {
      const factor = isLongAnswer(seq, lengths, parameters) ? parameters.longAnswerWeight : 1;
      scores.push(bm25(rarity, (times[at] ?? 1) * factor, lengths.of(seq), meanLength));
    }
  }
  return { term: index, seqs, scores, lends: field !== "code" };
}

/**
 * Scores what items say of turns: a term counts once a turn, and the turn's length does not matter, since an item is short.
 * @param terms of the query, as they were looked up
 */
export function scoreItemWords(
  asked: readonly { readonly term: string; readonly weight: number }[],
  terms: readonly WeighedTerm[],
  items: TurnItems,
  isSeen: (seq: Seq) => boolean,
  { statistics, parameters }: Judging,
): Matches[] {
  const documents = new Map(terms.map(({ index, allDocuments }) => [index, allDocuments]));
  return asked.flatMap(({ term, weight }, index): Matches[] => {
    const turns = [...items.turnsOf(term)].filter(([seq]) => isSeen(seq));
    if (turns.length === 0) return [];
    // A word that a model chose may stand in no message at all.
    const rarity = rarityOf(Math.max(turns.length, documents.get(index) ?? 0), statistics.all.messages);
    const points = parameters.itemWord * weight * rarity;
    return [
      { term: index, seqs: turns.map(([seq]) => seq), scores: turns.map(([, share]) => points * share), lends: true },
    ];
  });
}

/** Scores a term on some messages, of which the terms are at hand, with a space at either end. */
export function scoreTexts(
  term: WeighedTerm,
  texts: readonly { readonly seq: Seq; readonly terms: string }[],
  judging: Judging,
): Matches {
  const seqs: Seq[] = [];
  const times: number[] = [];
  const { field, isPrefix, tokens } = term;
  const side = field === "user" ? 1 : field === "answer" ? -1 : 0;
  const [first] = tokens;
  const repeats = isPrefix || side === 0 || first === undefined ? [] : repeatsOf(first);
  const wanted = tokens.map((token) => (isPrefix ? ` ${token}` : ` ${token} `));
  for (const { seq, terms } of texts) {
    if (side !== 0 && judging.lengths.sideOf(seq) !== side) continue;
    if (!wanted.every((token) => terms.includes(token))) continue;
    seqs.push(seq);
    times.push(timesIn(terms, repeats));
  }
  return scoreMatches(term, seqs, times, judging);
}
