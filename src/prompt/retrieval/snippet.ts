import { MAX_INDEXED_LENGTH } from "./index-text.ts";
import type { Query } from "./query.ts";
import { findTerms, type FoundTerm } from "./terms.ts";

/** UTF-16 units of a text in which a snippet is searched. The analysis takes about a millisecond per 10,000. */
const MAX_SNIPPET_SCAN = 50_000;

const ELLIPSIS = "…";
const OTHER_SPACE = / {2}|[^\S ]/u;

/**
 * The part of `text` with the most distinct terms of the query (its beginning if there are none), at most `maxLength`
 * UTF-16 units including the ellipses that mark cuts. It is cut between words where words are spaced, and never inside
 * a character.
 */
export function snippet(text: string, query: Query, maxLength: number): string {
  const from = scanStart(text, query, maxLength);
  const scanned = text.slice(from, from + MAX_SNIPPET_SCAN);
  // Most texts have single spaces already, and the replacement would take ten times as long as this test.
  const plain = (OTHER_SPACE.test(scanned) ? scanned.replace(/\s+/gu, " ") : scanned).trim();
  if (from === 0 && plain.length <= maxLength) return plain;
  const room = Math.max(0, maxLength - 2 * ELLIPSIS.length);
  const wanted = new Set(query.terms.map(({ term }) => term));
  const hits = [...findTerms(plain, wanted)];
  const window = bestWindow(hits, room);
  const spare = Math.max(0, room - (window.end - window.at));
  let start = Math.max(0, Math.min(window.at - Math.floor(spare / 3), plain.length - room));
  if (start > 0) start = wordStart(plain, start, Math.max(start, window.at));
  const end = start + room >= plain.length ? plain.length : wordEnd(plain, start, start + room);
  return `${from + start > 0 ? ELLIPSIS : ""}${plain.slice(start, end).trim()}${end < plain.length ? ELLIPSIS : ""}`.slice(
    0,
    maxLength,
  );
}

/**
 * Where to start: at the beginning, or, in a text longer than MAX_SNIPPET_SCAN, shortly before the first query term
 * that occurs only beyond that limit. Such a term is rare in the text, like the failure at the end of a log.
 */
function scanStart(text: string, query: Query, maxLength: number): number {
  if (text.length <= MAX_SNIPPET_SCAN) return 0;
  const folded = text.slice(0, MAX_INDEXED_LENGTH).toLowerCase();
  const late = query.terms.map(({ term }) => folded.indexOf(term)).filter((at) => at >= MAX_SNIPPET_SCAN);
  if (late.length === 0) return 0;
  const at = Math.max(0, Math.min(...late) - maxLength);
  return isLowSurrogate(text, at) ? at + 1 : at;
}

function bestWindow(hits: readonly FoundTerm[], room: number): { at: number; end: number } {
  let best = { at: 0, end: 0, distinct: 0 };
  const counts = new Map<string, number>();
  let from = 0;
  for (const hit of hits) {
    counts.set(hit.term, (counts.get(hit.term) ?? 0) + 1);
    // The window is made as narrow as possible; otherwise cutting it between words could remove the last match.
    const isSpare = ({ at, term }: FoundTerm): boolean => hit.end - at > room || (counts.get(term) ?? 0) > 1;
    for (let oldest = hits[from]; oldest !== undefined && isSpare(oldest) && oldest !== hit; oldest = hits[++from]) {
      const left = (counts.get(oldest.term) ?? 1) - 1;
      if (left === 0) counts.delete(oldest.term);
      else counts.set(oldest.term, left);
    }
    if (counts.size > best.distinct) best = { at: hits[from]?.at ?? hit.at, end: hit.end, distinct: counts.size };
  }
  return best;
}

const isLowSurrogate = (text: string, at: number): boolean => /[\udc00-\udfff]/.test(text[at] ?? "");

/** The first start of a word at or after `at`, if it is before `latest`; else `at`, moved out of a surrogate pair. */
function wordStart(text: string, at: number, latest: number): number {
  const space = text.indexOf(" ", at - 1);
  if (space >= 0 && space < latest) return space + 1;
  return isLowSurrogate(text, at) ? at + 1 : at;
}

/**
 * The last end of a word at or before `at`, if it is in the second half of the snippet; else `at`, moved out of a
 * surrogate pair.
 */
function wordEnd(text: string, start: number, at: number): number {
  const space = text.lastIndexOf(" ", at);
  if (space > start + (at - start) / 2) return space;
  return isLowSurrogate(text, at) ? at - 1 : at;
}
