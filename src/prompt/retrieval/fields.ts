/**
 * Where a word occurs: in a user's text, in the text of anybody else ("answer"), or in a code block. The index
 * distinguishes them by a mark before each term, because a word that is common in answers may be rare, and important,
 * in a user's text. The fourth field contains parts of long words. Pure.
 */
export type Field = "user" | "answer" | "code" | "part";

/** Characters that no word contains; nor do they contain a space. */
const MARKS: Readonly<Record<Field, string>> = { user: "", answer: "~", code: "`", part: "^" };
const MARKED = /^[~`^]/;

/** Fields that are empty in most chats. */
export const RARE_FIELDS = ["code", "part"] as const;

/**
 * A term that every message has that has any term in a rare field. If no message has it, nothing needs to be looked up
 * in that field.
 */
export const ANYTHING = "";

/** A term as stored in the index. */
export function fieldTerm(field: Field, term: string): string {
  return MARKS[field] + term;
}

/** Splits a stored term into mark and term. */
export function splitMark(marked: string): { readonly mark: string; readonly term: string } {
  return MARKED.test(marked) ? { mark: marked.slice(0, 1), term: marked.slice(1) } : { mark: "", term: marked };
}
