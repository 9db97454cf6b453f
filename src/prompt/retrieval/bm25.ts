import type { Seq } from "../../api/message.ts";
import type { Field } from "./fields.ts";
import type { GroupStatistics, LogStatistics, MessageLengths } from "./message-lengths.ts";
import type { RankingParameters } from "./parameters.ts";
import { repeatsOf, timesIn } from "./repeats.ts";
import type { TurnItems } from "./turn-items.ts";
import type { Matches } from "./turn-scores.ts";

/** BM25 scores, in the form and with the parameters of SQLite's FTS5. Pure. */

const K1 = 1.2;
const B = 0.75;

/** Every message with words has this many additional index terms, for its date. */
const DATE_TERMS = 5;

/**
 * Robertson and Spärck Jones's inverse document frequency, with one added, so that in a short log even a word that is
 * in half of the messages counts for something.
 */
function rarityOf(documents: number, messages: number): number {
  return Math.log(1 + Math.max(0, messages - documents + 0.5) / (documents + 0.5));
}

/**
 * @param count how often the message contains the term, times the message's weight
 * @param length of the message, in terms
 */
function bm25(rarity: number, count: number, length: number, meanLength: number): number {
  return (rarity * count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / meanLength));
}

/** A term of the query in one field, with its statistics. */
export interface WeighedTerm {
  /** Index of the query's term. */
  readonly index: number;
  readonly field: Field;
  /** The index tokens to look up; a message must contain all of them. */
  readonly tokens: readonly string[];
  readonly isPrefix: boolean;
  /** Number of messages that contain it. For several tokens, the smallest of their counts, which is an upper bound. */
  readonly documents: number;
  /** Number of messages that contain the query's term, whoever said it. */
  readonly allDocuments: number;
  /** Factor for its score. */
  readonly weight: number;
}

/** What scores depend on besides the matches. */
export interface Judging {
  readonly lengths: MessageLengths;
  readonly statistics: LogStatistics;
  readonly parameters: RankingParameters;
}

export function isLongAnswer(seq: Seq, lengths: MessageLengths, { longAnswer }: RankingParameters): boolean {
  return lengths.sideOf(seq) < 0 && lengths.of(seq) > longAnswer + DATE_TERMS;
}

/**
 * Whether messages of users and of others are each compared only with their own kind. That needs enough messages: among
 * a few, no word is rare.
 */
function areRolesApart({ statistics: { user, answers }, parameters: { rolesApart, apartFrom } }: Judging): boolean {
  return rolesApart && Math.min(user.messages, answers.messages) >= apartFrom;
}

/** The messages among which the rarity of a term is judged. */
function groupOf(field: Field, judging: Judging): GroupStatistics {
  const { statistics } = judging;
  if (field === "code" || field === "part" || !areRolesApart(judging)) return statistics.all;
  return field === "user" ? statistics.user : statistics.answers;
}

/**
 * Scores the messages that contain a term.
 * @param times how often each message contains it
 */
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
    // Terms in code and parts of words are not counted, and a message's length counts only its words.
    if (!isSaid) scores.push(rarity);
    else {
      const factor = isLongAnswer(seq, lengths, parameters) ? parameters.longAnswerWeight : 1;
      scores.push(bm25(rarity, (times[at] ?? 1) * factor, lengths.of(seq), meanLength));
    }
  }
  return { term: index, seqs, scores, lends: field !== "code" };
}

/**
 * Scores messages by the words of the summary items that cite them. A term counts once per message, and the message's
 * length has no influence, because an item is short.
 * @param terms the query's terms as they were looked up
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
    // A model may choose a word for an item that is in no message.
    const rarity = rarityOf(Math.max(turns.length, documents.get(index) ?? 0), statistics.all.messages);
    const points = parameters.itemWord * weight * rarity;
    return [
      { term: index, seqs: turns.map(([seq]) => seq), scores: turns.map(([, share]) => points * share), lends: true },
    ];
  });
}

/** Scores a term on given messages, whose index terms are at hand with a space at both ends. */
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
