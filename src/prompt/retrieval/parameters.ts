/** What the ranking weighs, and by how much. `npm run eval -- ablate` takes each away by itself. */

export interface RankingParameters {
  /** Share of its score that a match lends to the turns after it (1st, 2nd, …): an answer seldom repeats its question. */
  readonly lendForward: readonly number[];
  /** The same for the turns before it. */
  readonly lendBack: readonly number[];
  /** Factor for what is lent from one exchange to another: a user's turn and its answers are about one thing, the next may be about another. */
  readonly lendAcross: number;
  /** Factor for all that is lent in a log of one voice: nobody answers anybody there, and notes stand each for themselves. */
  readonly lendAlone: number;
  /** Whether the rarity of a word and the length of a turn are judged among users' turns or among answers, each for itself. */
  readonly rolesApart: boolean;
  /** So many messages each of the two has to have for that. */
  readonly apartFrom: number;
  /** Terms of an answer from which on it is long: an essay, not a fact about the user. */
  readonly longAnswer: number;
  /** Factor for a long answer, and for each word of it before the words are counted: what repeats there tells less. */
  readonly longAnswerWeight: number;
  /**
   * Share taken off a turn that only asks, where no answer of an assistant follows: among people it repeats the words of a query more
   * often than it answers. Where an assistant answers, the user's question is the memory.
   */
  readonly questionDiscount: number;
  /** Factor for words about the chat itself ("mentioned", "conversation"): they say who asks, not what about. */
  readonly aboutChat: number;
  /** Factor for answers where a query asks for what the assistant said. */
  readonly askedOfAnswers: number;
  /** Factor for a word in a block of code: it repeats what is said around it, and is there for whoever looks for a name in it. */
  readonly code: number;
  /** Factor for a part of a longer word, and of the longer word for its part. */
  readonly part: number;
  /** Factor for a word that an item of the summary says of a turn: it stands for what the turn says, and not in it. */
  readonly itemWord: number;
  /** Factor for turns of which the summary keeps a wish or a preference: they hold whatever is asked about. */
  readonly wish: number;
  /**
   * What the turn that is nearest to the query in meaning has for that, as a share of what the best turn has for its words. Only where the
   * query has a vector.
   */
  readonly meaning: number;
  /** Factor for turns of an author whom the query names. */
  readonly namedAuthor: number;
  /** Points for a turn of the day, month or year that the query names; a rare word brings about 5. */
  readonly date: { readonly day: number; readonly month: number; readonly year: number };
}

/**
 * Chosen on development data alone: three LoCoMo conversations (people) and seven chats of BEAM with an assistant. Each is the middle of
 * a range in which recall hardly changes. Lending ± 20 %, `namedAuthor` 1.2 to 1.6 or half the points for dates cost at most 2 points of
 * recall at 10 on LoCoMo; `lendAcross` .25 to .75, `longAnswerWeight` .4 to .6, `aboutChat` .3 to .7 and `code` .1 to .5 at most 1.5 on
 * BEAM. `wish` was tried from 1.2 to 2 with the built-in summarizer's items, and changes recall at 10 by less than 1 on BEAM from there on; `itemWord` .5 to 1
 * gains .7 to .9 on LoCoMo with items as a model writes them (its observations), and nothing with the built-in summarizer's, which repeat the turns. `lendAlone`, `apartFrom` and `part` have no such data: they follow from what they say.
 */
export const DEFAULT_RANKING: RankingParameters = {
  lendForward: [0.65, 0.42, 0.25, 0.15, 0.1],
  lendBack: [0.35, 0.22, 0.15, 0.1, 0.05],
  lendAcross: 0.5,
  lendAlone: 0.2,
  rolesApart: true,
  apartFrom: 20,
  longAnswer: 80,
  longAnswerWeight: 0.5,
  questionDiscount: 0.3,
  aboutChat: 0.5,
  askedOfAnswers: 2,
  code: 0.3,
  part: 0.5,
  itemWord: 0.5,
  wish: 1.5,
  meaning: 0.2,
  namedAuthor: 1.4,
  date: { day: 6, month: 3, year: 1 },
};
