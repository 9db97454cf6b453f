/** The pause doubles with each try. Four tries outlast a restart of the service. */
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 8_000;

/**
 * How long to wait before the next try, in ms.
 * @param tries how many have failed so far, at least 1
 * @param askedMs the pause that the service asked for, if any; the result is never shorter
 * @param random from 0 to 1: half of the pause is random, so that clients that failed together do not retry together
 */
export function pauseBefore(tries: number, askedMs: number | null, random: number): number {
  const whole = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
  const pause = whole / 2 + (whole / 2) * random;
  return askedMs === null ? pause : askedMs + pause / 2;
}

/**
 * `Retry-After` in ms, given as seconds or as a date (RFC 9110, section 10.2.3). Null if it is missing or not valid.
 */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** Whether a status means that nothing was done and that the request may be repeated. */
export function isRetried(status: number): boolean {
  return status === 429 || status === 503;
}
