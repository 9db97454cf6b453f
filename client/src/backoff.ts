/** Doubles with each try: over a restart of the service within four tries, and no storm after it. */
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 8_000;

/**
 * How long to wait before the next try, in ms.
 * @param tries how many have failed so far, 1 or more
 * @param askedMs what the service asked for, if it did; it is never undercut
 * @param random from 0 to 1: half of the pause is left to it, so that clients that failed together do not come back together
 */
export function pauseBefore(tries: number, askedMs: number | null, random: number): number {
  const whole = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
  const pause = whole / 2 + (whole / 2) * random;
  return askedMs === null ? pause : askedMs + pause / 2;
}

/** `Retry-After` in ms: seconds, or a date (RFC 9110, section 10.2.3). Null if there is none that can be read. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** Statuses that say that nothing was done, and that it may be tried again. */
export function isRetried(status: number): boolean {
  return status === 429 || status === 503;
}
