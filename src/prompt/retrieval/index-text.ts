import type { Content, Role } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { messageText } from "../message-text.ts";
import { dateTerms } from "./dates.ts";
import { ANYTHING, fieldTerm } from "./fields.ts";
import { STOP_WORDS } from "./query.ts";
import { termsWithTimes } from "./repeats.ts";
import { analyze, foldedWords } from "./terms.ts";
import { compoundRuns } from "./word-parts.ts";

/** Raised whenever the same message would be indexed otherwise: an index of another version is built anew. */
export const INDEX_VERSION = 4;

/** UTF-16 units of a message that are read for its words: bounds what one message can take of a request, about 50 ms. */
export const MAX_INDEXED_LENGTH = 512 * 1024;

/** UTF-16 units that are read for parts of words: further on stands a document, not what somebody said. */
const MAX_PARTED_LENGTH = 16 * 1024;

/** Bytes of a message's terms: a row in a Durable Object takes 2 MB, and pairs of characters have more bytes than the text. */
const MAX_TERMS_BYTES = 1_500_000;

/** Blocks of code, as Markdown fences them. */
const FENCED_CODE = /```[^]*?(?:```|$)/g;

export interface IndexableMessage {
  readonly role: Role;
  readonly author: string | null;
  readonly content: Content;
  /** Milliseconds since 1970, when it was said, by the clock of whoever said it. */
  readonly saidAt: number;
}

export interface IndexText {
  /** What the index has of it: its words, how often they stand in it, and its date. "" if it has no words. */
  readonly terms: string;
  /** In terms, those of the date included and those of code not. Negative where it is no user's: see `MessageLengths`. */
  readonly length: number;
  /** How much of it is questions, 0 to 1. */
  readonly asks: number;
}

/** What to index for a message. Linear in its length; of a very long one it is the beginning. */
export function indexText(message: IndexableMessage): IndexText {
  const text = messageText(message.content).slice(0, MAX_INDEXED_LENGTH);
  const prose = text.includes("```") ? text.replaceAll(FENCED_CODE, "\n") : text;
  const field = message.role === "user" ? "user" : "answer";
  const words = analyze(prose).map((term) => fieldTerm(field, term));
  const code = prose === text ? [] : [...new Set(analyze((text.match(FENCED_CODE) ?? []).join("\n")))];
  if (words.length === 0 && code.length === 0) return { terms: "", length: 0, asks: 0 };
  const parts = compoundRuns(foldedWords(prose.slice(0, MAX_PARTED_LENGTH)), STOP_WORDS);
  const dates = dateTerms(message.saidAt);
  const length = Math.max(1, words.length) + dates.length;
  const terms = [
    ...termsWithTimes(words),
    ...(code.length === 0 ? [] : [fieldTerm("code", ANYTHING), ...code.map((term) => fieldTerm("code", term))]),
    ...(parts.length === 0 ? [] : [fieldTerm("part", ANYTHING), ...parts.map((run) => fieldTerm("part", run))]),
  ];
  return {
    terms: [...firstTerms(terms), ...dates].join(" "),
    length: field === "user" ? length : -length,
    asks: Math.round(questionShare(prose) * 100) / 100,
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
