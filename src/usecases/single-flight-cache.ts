export interface SingleFlightCacheOptions<T> {
  /** How long an answer is reused, in ms; 0: not at all. */
  readonly keepMs: (answer: T) => number;
  /** Keeps a call in progress alive after the request that started it has ended. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  /** ms since 1970 */
  readonly now?: () => number;
}

/** After this long, in ms, a call is considered lost: it was cancelled together with the request that started it. */
const LOST_AFTER_MS = 10_000;

/** Wraps a function so that only one call runs at a time and its answer is reused for a while. Errors are not kept. */
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
