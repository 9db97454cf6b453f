const DAY_MS = 86_400_000;
/** "00" to "99". */
const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));

let dayRead = Number.NaN;
let dayText = "";

/**
 * Formats a time (in ms since 1970) exactly as `Date.toISOString` does, but about five times faster if the previous
 * call was for the same day. A context formats one time for each of its messages.
 */
export function toIsoTime(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== dayRead) {
    const midnight = new Date(day * DAY_MS).toISOString();
    dayText = midnight.slice(0, midnight.indexOf("T") + 1);
    dayRead = day;
  }
  const inDay = ms - day * DAY_MS;
  const minutes = Math.floor(inDay / 60_000);
  const seconds = Math.floor(inDay / 1000);
  const thousandths = inDay - seconds * 1000;
  const hour = TWO_DIGITS[Math.floor(minutes / 60)];
  const fraction = TWO_DIGITS[thousandths];
  const thousandthsText = fraction === undefined ? String(thousandths) : `0${fraction}`;
  return `${dayText}${hour}:${TWO_DIGITS[minutes % 60]}:${TWO_DIGITS[seconds % 60]}.${thousandthsText}Z`;
}
