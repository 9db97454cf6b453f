import { ABOUT_CHAT } from "./about-chat.ts";
import { cutMiddle, MAX_QUERY_LENGTH, MAX_QUERY_TERMS, STOP_WORDS } from "./query.ts";
import { CONTRACTION, fold, lookupTerms, wordsOf } from "./terms.ts";

/**
 * What PostgreSQL is to look for across sessions: the words of a query that carry its subject, each once, as many as a query in one session
 * has terms. It weighs words by how rare they are and by nothing else, so words about the chat, which weigh half there, are left out here.
 * Where a query has no others, all its words are looked for. Pure.
 */
export function wordsToLookFor(query: string): string {
  const words = wordsOf(cutMiddle(query, MAX_QUERY_LENGTH));
  const spoken = words.filter((word) => !STOP_WORDS.has(fold(word).replace(CONTRACTION, "")));
  const subject = spoken.filter((word) => !lookupTerms(word).every((term) => ABOUT_CHAT.has(term)));
  const chosen = [subject, spoken, words].find(({ length }) => length > 0) ?? [];
  const first = new Map<string, string>();
  for (const word of chosen) {
    const term = lookupTerms(word).join(" ");
    if (!first.has(term)) first.set(term, word);
  }
  const once = [...first.values()];
  const half = MAX_QUERY_TERMS / 2;
  return (once.length > MAX_QUERY_TERMS ? [...once.slice(0, half), ...once.slice(-half)] : once).join(" ");
}
