import type { Content, Role } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { messageText } from "../message-text.ts";
import { dateTerms } from "./dates.ts";
import { ANYTHING, fieldTerm } from "./fields.ts";
import { STOP_WORDS } from "./query.ts";
import { termsWithTimes } from "./repeats.ts";
import { analyze, foldedWords } from "./terms.ts";
import { compoundRuns } from "./word-parts.ts";

/** Must be raised whenever the same message would get other index terms; an index of another version is rebuilt. */
export const INDEX_VERSION = 4;

/** UTF-16 units of a message that are indexed. It limits the time for one message to about 50 ms. */
export const MAX_INDEXED_LENGTH = 512 * 1024;

/**
 * UTF-16 units that are indexed for parts of words. A longer message is a document rather than something that somebody
 * said.
 */
const MAX_PARTED_LENGTH = 16 * 1024;

/**
 * Bytes of a message's terms. A row of a Durable Object holds 2 MB, and pairs of characters take more bytes than the
 * text itself.
 */
const MAX_TERMS_BYTES = 1_500_000;

/** Markdown code blocks. */
const FENCED_CODE = /```[^]*?(?:```|$)/g;

export interface IndexableMessage {
  readonly role: Role;
  readonly author: string | null;
  readonly content: Content;
  /** When it was said, in ms since 1970, by the speaker's local clock. */
  readonly saidAt: number;
}

export interface IndexText {
  /** The index terms: words with their counts, and the date. Empty if the message has no words. */
  readonly terms: string;
  /**
   * Length in terms, including those of the date but not those of code. Negative if it is not a user's message: see
   * `MessageLengths`.
   */
  readonly length: number;
  /** Share of the text that consists of questions, 0 to 1. */
  readonly asks: number;
}

/**
 * Makes the index terms of a message. Takes time linear in its length; only the beginning of a very long message is
 * indexed.
 */
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
  // A UTF-16 unit takes at most three bytes in UTF-8, so most messages need not be measured exactly.
  let units = 0;
  for (const term of terms) units += term.length + 1;
  if (units * 3 <= MAX_TERMS_BYTES) return terms;
  let bytes = 0;
  const end = terms.findIndex((term) => (bytes += byteLength(term) + 1) > MAX_TERMS_BYTES);
  return end < 0 ? terms : terms.slice(0, end);
}

/** Share of a text's characters that are in questions, 0 to 1. */
function questionShare(text: string): number {
  let asked = 0;
  // The pattern matches every sentence, not only questions; otherwise it would restart at each character of other
  // sentences.
  for (const [sentence, end = ""] of text.matchAll(/[^.!?。！？؟।\n]+([.!?。！？؟।\n]*)/gu)) {
    if (/[?？؟]/u.test(end)) asked += sentence.length;
  }
  return asked === 0 ? 0 : Math.min(1, asked / text.length);
}
