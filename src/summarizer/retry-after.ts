/** A pause asked for is believed up to this: an hour of silence is longer than any limit of a provider lasts. */
const MAX_RETRY_AFTER_SECONDS = 3_600;

/** `Retry-After` in seconds: a count, or a date seen from `now`. */
export function parseRetryAfter(value: string | null | undefined, now: number): number | undefined {
  if (value === null || value === undefined || value.trim() === "") return undefined;
  const count = Number(value);
  const seconds = Number.isNaN(count) ? (Date.parse(value) - now) / 1_000 : count;
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(MAX_RETRY_AFTER_SECONDS, Math.ceil(seconds));
}
