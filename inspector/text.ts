/** Formats numbers, times and texts for people. */

const numbers = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const clock = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

const day = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

export const number = (value: number): string => numbers.format(value);
export const roughly = (value: number): string => (value < 10_000 ? number(value) : compact.format(value));

export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export const moment = (iso: string): string => clock.format(new Date(iso));

const STEPS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
] as const;

/** For older times the date is shown instead of the number of days. */
const DATE_SECONDS = 7 * 86_400;

/** "3 minutes ago", or the date. */
export function ago(iso: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1_000);
  if (Math.abs(seconds) > DATE_SECONDS) return day.format(new Date(iso));
  for (const [size, unit] of STEPS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

const MICRO = 1_000_000;

/** Formats millionths of a dollar as a price. */
export function dollars(micro: number): string {
  return `$${(micro / MICRO).toFixed(micro < MICRO ? 4 : 2)}`;
}

/** The beginning of a text, on one line. */
export function beginning(text: string, length: number): string {
  const line = text
    .slice(0, 4 * length)
    .replaceAll(/\s+/g, " ")
    .trim();
  return line.length > length ? `${line.slice(0, length - 1).trimEnd()}…` : line;
}

export function bytes(size: number): string {
  if (size < 1_024) return `${size} B`;
  return size < 1_048_576 ? `${Math.round(size / 1_024)} KB` : `${(size / 1_048_576).toFixed(1)} MB`;
}
