// Converts dates of the sources to ISO 8601. What is not certainly a date becomes undefined, because a wrong date in a
// memory is worse than none.

const MONTHS = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
];
const LOCOMO_DATE = /^\s*(\d{1,2}):(\d{2})\s*(am|pm)\s+on\s+(\d{1,2})\s+([a-z]{3,9}),?\s+(\d{4})\s*$/i;
/** The API's ISO 8601 dates have four-digit years. */
const FIRST_MOMENT_MS = Date.UTC(1000, 0, 1);
const LAST_MOMENT_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Parses "1:56 pm on 8 May, 2023" into ms. The source names no time zone; UTC is assumed. */
export function parseLocomoDate(text: unknown): number | undefined {
  if (typeof text !== "string" || text.length > 100) return undefined;
  const match = LOCOMO_DATE.exec(text);
  if (match === null) return undefined;
  const [, hourText = "", minuteText = "", half = "", dayText = "", monthText = "", yearText = ""] = match;
  const hour = Number(hourText);
  const minute = Number(minuteText);
  const day = Number(dayText);
  const year = Number(yearText);
  const name = monthText.toLowerCase();
  const month = MONTHS.findIndex((full) => full === name || full.slice(0, 3) === name);
  if (hour < 1 || hour > 12 || minute > 59 || month < 0 || year < 1000) return undefined;
  const hour24 = (hour % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
  const moment = Date.UTC(year, month, day, hour24, minute);
  // Date.UTC turns 31 June into 1 July; such a date is refused.
  return new Date(moment).getUTCDate() === day ? moment : undefined;
}

export function toIso(ms: number): string | undefined {
  return Number.isFinite(ms) && ms >= FIRST_MOMENT_MS && ms <= LAST_MOMENT_MS ? new Date(ms).toISOString() : undefined;
}

/** Converts seconds since 1970, as in ChatGPT's export. */
export function epochSecondsToIso(seconds: unknown): string | undefined {
  return typeof seconds === "number" && seconds > 0 ? toIso(Math.round(seconds * 1_000)) : undefined;
}

/** Converts a date in ISO 8601 or a similar form, such as `2026-09-01T10:00:00.000000Z`. */
export function isoOf(text: unknown): string | undefined {
  return typeof text === "string" ? toIso(Date.parse(text)) : undefined;
}
