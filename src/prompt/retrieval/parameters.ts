/** The weights of the ranking. `npm run eval -- ablate` measures the effect of each. */

export interface RankingParameters {
  /**
   * Shares of a match's score that the turns after it get (1st, 2nd, …), because an answer seldom repeats the words of
   * its question.
   */
  readonly lendForward: readonly number[];
  /** The same for the turns before it. */
  readonly lendBack: readonly number[];
  /**
   * Factor for shares that go to another exchange. A user's turn and the answers to it have one subject; the next
   * exchange may have another.
   */
  readonly lendAcross: number;
  /** Factor for all shares in a log with a single speaker: there are no answers, and each note stands for itself. */
  readonly lendAlone: number;
  /** Whether the rarity of a word and the length of a turn are judged separately for users and for answers. */
  readonly rolesApart: boolean;
  /** Both groups need at least this many messages for that. */
  readonly apartFrom: number;
  /** An answer with more terms than this counts as long: an essay rather than a fact about the user. */
  readonly longAnswer: number;
  /** Factor for the score of a long answer, and for the counts of its words, because repetition means less there. */
  readonly longAnswerWeight: number;
  /**
   * Share subtracted from a turn that consists of questions and is not followed by an assistant's answer: between
   * people, such a turn repeats the query's words more often than it answers them. If an assistant answers, the user's
   * question is what is to be remembered.
   */
  readonly questionDiscount: number;
  /** Factor for words about the chat itself ("mentioned", "conversation"). */
  readonly aboutChat: number;
  /** Factor for answers if the query asks for what the assistant said. */
  readonly askedOfAnswers: number;
  /**
   * Factor for words in code blocks. They mostly repeat the text around them, but a query may look for a name in code.
   */
  readonly code: number;
  /** Factor for a part of a long word, and for a long word found by its part. */
  readonly part: number;
  /** Factor for a word in a summary item that cites the turn, because the word need not be in the turn itself. */
  readonly itemWord: number;
  /** Factor for turns from which the summary has an instruction or a preference, because they matter for any query. */
  readonly wish: number;
  /**
   * Score of the turn nearest in meaning, as a share of the best score for words. Used only if the query has a vector.
   */
  readonly meaning: number;
  /** Share of that score that the turns before and after it get. */
  readonly lendMeaning: number;
  /** Factor for turns of an author whom the query names. */
  readonly namedAuthor: number;
  /** Points for turns of the day, month or year that the query names; a rare word scores about 5. */
  readonly date: { readonly day: number; readonly month: number; readonly year: number };
}

/**
 * Chosen on development data only: three LoCoMo conversations (between people) and seven BEAM chats with an assistant.
 * Each value is in the middle of a range in which recall hardly changes. On LoCoMo, recall at 10 fell by at most 2
 * points with shares ± 20 %, `namedAuthor` 1.2 to 1.6, or half the points for dates. On BEAM it fell by at most 1.5
 * points with `lendAcross` .25 to .75, `longAnswerWeight` .4 to .6, `aboutChat` .3 to .7 or `code` .1 to .5. `wish` was
 * tried from 1.2 to 2 with the items of the built-in summarizer, and changes recall at 10 on BEAM by less than 1 point.
 * `itemWord` .5 to 1 gains .7 to .9 points on LoCoMo with items written by a model (its observations), and nothing with
 * the built-in summarizer's, which repeat the turns. `meaning` was tried from 0
 * to .4 and `lendMeaning` from 0 to .9 with a small English model; recall at 10 changes by at most 1 point from .2 to .4, and from .5 to .9. `lendAlone`,
 * `apartFrom` and `part` were not measured; they were chosen by reasoning.
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
  meaning: 0.3,
  lendMeaning: 0.7,
  namedAuthor: 1.4,
  date: { day: 6, month: 3, year: 1 },
};
