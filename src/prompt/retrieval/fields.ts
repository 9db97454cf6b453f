/**
 * Where a word is said: by the user, in an answer (whoever is no user), or in a block of code. The index keeps them apart by a mark before
 * each term, because a word that answers use all the time may tell much where the user says it. The fourth field has parts of
 * long words. Pure.
 */
export type Field = "user" | "answer" | "code" | "part";

/** No word has one of these, nor a space. */
const MARKS: Readonly<Record<Field, string>> = { user: "", answer: "~", code: "`", part: "^" };
const MARKED = /^[~`^]/;

/** Fields that most chats have nothing in. */
export const RARE_FIELDS = ["code", "part"] as const;

/** The term of a rare field that each message has which has any there: where none has it, nothing is looked up in that field. */
export const ANYTHING = "";

/** A term as it stands in the index. */
export function fieldTerm(field: Field, term: string): string {
  return MARKS[field] + term;
}

/** The other way round. */
export function splitMark(marked: string): { readonly mark: string; readonly term: string } {
  return MARKED.test(marked) ? { mark: marked.slice(0, 1), term: marked.slice(1) } : { mark: "", term: marked };
}
