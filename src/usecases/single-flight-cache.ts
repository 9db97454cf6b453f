export interface SingleFlightCacheOptions<T> {
  /** How long an answer serves, in ms; 0: it does not. */
  readonly keepMs: (answer: T) => number;
  /** Keeps what is under way alive when the request that began it is gone. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  /** ms since 1970 */
  readonly now?: () => number;
}

/** After this long a flight is given up: the request that it began with took it along. In ms. */
const LOST_AFTER_MS = 10_000;

/** Asks at most once at a time and keeps the answer for a while, so that a flood of questions costs one. A rejection is not kept. */
export function cacheSingleFlight<A extends readonly unknown[], T>(
  ask: (...args: A) => Promise<T>,
  options: SingleFlightCacheOptions<T>,
): (...args: A) => Promise<T> {
  const { keepMs, keepAlive, now = Date.now } = options;
  let kept: { readonly answer: T; readonly until: number } | undefined;
  let flight: { readonly answer: Promise<T>; readonly since: number } | undefined;

  async function fly(...args: A): Promise<T> {
    try {
      const answer = await ask(...args);
      kept = { answer, until: now() + keepMs(answer) };
      return answer;
    } finally {
      flight = undefined;
    }
  }

  return async (...args) => {
    if (kept !== undefined && now() < kept.until) return kept.answer;
    if (flight === undefined || now() - flight.since > LOST_AFTER_MS) {
      const answer = fly(...args);
      flight = { answer, since: now() };
      keepAlive(answer.catch(() => undefined));
    }
    return flight.answer;
  };
}
