/** The longest pause that is accepted. No provider's limit lasts longer than an hour. */
const MAX_RETRY_AFTER_SECONDS = 3_600;

/** Parses `Retry-After` into seconds: a number, or a date relative to `now` (ms since 1970). */
export function parseRetryAfter(value: string | null | undefined, now: number): number | undefined {
  if (value === null || value === undefined || value.trim() === "") return undefined;
  const count = Number(value);
  const seconds = Number.isNaN(count) ? (Date.parse(value) - now) / 1_000 : count;
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(MAX_RETRY_AFTER_SECONDS, Math.ceil(seconds));
}
