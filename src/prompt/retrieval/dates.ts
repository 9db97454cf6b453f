import type { RankingParameters } from "./parameters.ts";

/** Makes index terms for dates, and reads the dates that a query names. Pure. */

const MONTHS = "january february march april may june july august september october november december".split(" ");

/**
 * Index terms for a date. The section sign keeps them apart from words, which never contain it.
 * @param ms the speaker's local time, as if it were UTC, in ms since 1970
 */
export function dateTerms(ms: number): string[] {
  if (Number.isNaN(new Date(ms).getTime())) return [];
  const iso = new Date(ms).toISOString().slice(0, 10);
  const [year = "", month = "", day = ""] = iso.split("-");
  return [`§${year}`, `§${year}${month}`, `§m${month}`, `§${year}${month}${day}`, `§m${month}${day}`];
}

/** Reads English dates ("7 July 2023", "July 7th", "in May") and ISO dates. */
export function readDates(text: string, { date }: RankingParameters): { term: string; points: number }[] {
  const points = new Map<string, number>();
  const add = (year: string, month: number, day: number): void => {
    const two = (n: number): string => String(n).padStart(2, "0");
    const prefix = year === "" ? "§m" : `§${year}`;
    points.set(prefix + two(month), date.month);
    if (day < 1 || day > 31) return;
    // The following day counts too, because people often tell of a day on the next one.
    const next = new Date(Date.UTC(Number(year === "" ? 2000 : year), month - 1, day + 1));
    points.set(prefix + two(month) + two(day), date.day);
    points.set(prefix + two(next.getUTCMonth() + 1) + two(next.getUTCDate()), date.day);
  };
  for (const [, year = "", month, day] of text.matchAll(/\b(\d{4})-(\d\d)(?:-(\d\d))?\b/g)) {
    if (Number(month) >= 1 && Number(month) <= 12) add(year, Number(month), Number(day ?? 0));
  }
  const named = new RegExp(
    `\\b(?:(\\d{1,2})(?:st|nd|rd|th)?(?: of)? |(in|on|of|since|during|by|until|before|after|last|early|late|mid) )?(${MONTHS.join("|")})\\b(?: (\\d{1,2})(?:st|nd|rd|th)?\\b)?(?:,? ?(\\d{4})\\b)?`,
    "gi",
  );
  for (const [, before, preposition, month = "", after, year = ""] of text.matchAll(named)) {
    const isVerb =
      /^(may|march)$/i.test(month) && [before, preposition, after].every((part) => part === undefined) && year === "";
    if (!isVerb) add(year, MONTHS.indexOf(month.toLowerCase()) + 1, Number(before ?? after ?? 0));
  }
  for (const [year] of text.matchAll(/\b(?:19|20)\d\d\b/g)) points.set(`§${year}`, date.year);
  return [...points].map(([term, value]) => ({ term, points: value }));
}
