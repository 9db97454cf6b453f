import type { Content, Role } from "../../contracts/message.ts";
import { messageText } from "../message-text.ts";
import { dateTerms } from "./dates.ts";
import { analyze } from "./terms.ts";

/** Raised whenever the same message would give other index terms: an index of another version is built anew. */
export const ANALYSIS_VERSION = 1;

/** Share taken off a turn that only asks: it repeats the words of a query more often than it answers. 0.15 to 0.6 do alike. */
const QUESTION_DISCOUNT = 0.3;

/** Terms. A longer turn of an assistant or a tool is an essay, not a fact about the user: it is weighed apart. */
const LONG_ANSWER_TERMS = 80;

/** Factor for such turns, on top of the weight of their column. */
const LONG_ANSWER_WEIGHT = 0.6;

export interface IndexableMessage {
  readonly role: Role;
  readonly author: string | null;
  readonly content: Content;
  /** Milliseconds since 1970, when it was said. */
  readonly saidAt: number;
}

export interface IndexText {
  /** Terms of what people say, and of short turns of anyone. */
  readonly said: string;
  /** Terms of long turns of assistants, tools and instructions: the same words, but they tell less of the user. */
  readonly answered: string;
  readonly dates: string;
  /** Factor for the whole turn, (0, 1]. */
  readonly prior: number;
}

/** BM25 weights of the columns said, answered and dates. Dates are scored by `RankingParameters.date`. */
export const COLUMN_WEIGHTS = { said: 1, answered: 0.5, dates: 0 } as const;

/** What to index for a message. Linear in its length. */
export function indexText(message: IndexableMessage): IndexText {
  const text = messageText(message.content);
  const terms = analyze(text);
  const isLong = message.role !== "user" && terms.length > LONG_ANSWER_TERMS;
  const prior = (isLong ? LONG_ANSWER_WEIGHT : 1) * (1 - QUESTION_DISCOUNT * questionShare(text));
  const joined = terms.join(" ");
  return {
    said: isLong ? "" : joined,
    answered: isLong ? joined : "",
    dates: dateTerms(message.saidAt).join(" "),
    prior: Math.round(prior * 100) / 100,
  };
}

/** How much of a text is questions, 0 to 1 of its characters. */
function questionShare(text: string): number {
  let asked = 0;
  // Every match takes a whole sentence: a pattern for questions alone would start anew at each character of other sentences.
  for (const [sentence, end = ""] of text.matchAll(/[^.!?。！？؟।\n]+([.!?。！？؟।\n]*)/gu)) {
    if (/[?？؟]/u.test(end)) asked += sentence.length;
  }
  return asked === 0 ? 0 : Math.min(1, asked / text.length);
}
