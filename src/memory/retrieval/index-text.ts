import type { Content, Role } from "../../contracts/message.ts";
import { byteLength } from "../../contracts/text.ts";
import { messageText } from "../message-text.ts";
import { dateTerms } from "./dates.ts";
import { termsWithTimes } from "./repeats.ts";
import { analyze } from "./terms.ts";

/** Raised whenever the same message would be indexed otherwise: an index of another version is built anew. */
export const INDEX_VERSION = 3;

/** UTF-16 units of a message that are read for its words: bounds what one message can take of a request, about 50 ms. */
const MAX_INDEXED_LENGTH = 512 * 1024;

/** Bytes of a message's terms: a row in a Durable Object takes 2 MB, and pairs of characters have more bytes than the text. */
const MAX_TERMS_BYTES = 1_500_000;

/** Share taken off a turn that only asks: it repeats the words of a query more often than it answers. 0.15 to 0.6 do alike. */
const QUESTION_DISCOUNT = 0.3;

/** Terms. A longer turn of an assistant or a tool is an essay, not a fact about the user: it is weighed apart. */
const LONG_ANSWER_TERMS = 80;

/** Factor for such turns, on top of the weight of their terms. */
const LONG_ANSWER_WEIGHT = 0.6;

export interface IndexableMessage {
  readonly role: Role;
  readonly author: string | null;
  readonly content: Content;
  /** Milliseconds since 1970, when it was said. */
  readonly saidAt: number;
}

export interface IndexText {
  /** What the index has of it: its words, how often they stand in it, and its date. "" if it has no words. */
  readonly terms: string;
  /** In terms, those of the date included. Negative for a long answer of an assistant, a tool or an instruction: see `MessageLengths`. */
  readonly length: number;
  /** Factor for the whole turn, (0, 1]. */
  readonly prior: number;
}

/** What to index for a message. Linear in its length; of a very long one it is the beginning. */
export function indexText(message: IndexableMessage): IndexText {
  const text = messageText(message.content).slice(0, MAX_INDEXED_LENGTH);
  const words = analyze(text);
  if (words.length === 0) return { terms: "", length: 0, prior: 1 };
  const isLong = message.role !== "user" && words.length > LONG_ANSWER_TERMS;
  const prior = (isLong ? LONG_ANSWER_WEIGHT : 1) * (1 - QUESTION_DISCOUNT * questionShare(text));
  const dates = dateTerms(message.saidAt);
  const length = words.length + dates.length;
  return {
    terms: [...firstTerms(termsWithTimes(words)), ...dates].join(" "),
    length: isLong ? -length : length,
    prior: Math.round(prior * 100) / 100,
  };
}

function firstTerms(terms: readonly string[]): readonly string[] {
  // Three bytes a unit of UTF-16 at most: hardly any message has to be measured.
  let units = 0;
  for (const term of terms) units += term.length + 1;
  if (units * 3 <= MAX_TERMS_BYTES) return terms;
  let bytes = 0;
  const end = terms.findIndex((term) => (bytes += byteLength(term) + 1) > MAX_TERMS_BYTES);
  return end < 0 ? terms : terms.slice(0, end);
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
