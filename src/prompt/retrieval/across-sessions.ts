import { ABOUT_CHAT } from "./about-chat.ts";
import { cutMiddle, MAX_QUERY_LENGTH, MAX_QUERY_TERMS, STOP_WORDS } from "./query.ts";
import { CONTRACTION, fold, lookupTerms, wordsOf } from "./terms.ts";

/**
 * Chooses the words that PostgreSQL searches for across sessions: the words of the query that carry its subject, each
 * once, at most as many as a query within a session has terms. PostgreSQL weighs words only by how rare they are, so
 * words about the chat, which count half within a session, are left out. If the query has no other words, all are used.
 * Pure.
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
