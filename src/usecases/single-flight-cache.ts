import { createSingleFlight } from "../lib/single-flight.ts";

export interface SingleFlightCacheOptions<T> {
  /** How long an answer is reused, in ms; 0: not at all. */
  readonly keepMs: (answer: T) => number;
  /** Keeps a call in progress alive after the request that started it has ended. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  /** ms since 1970 */
  readonly now?: () => number;
}

const LOST_AFTER_MS = 10_000;

/** Wraps a function so that only one call runs at a time and its answer is reused for a while. Errors are not kept. */
export function cacheSingleFlight<A extends readonly unknown[], T>(
  ask: (...args: A) => Promise<T>,
  { keepMs, keepAlive, now = Date.now }: SingleFlightCacheOptions<T>,
): (...args: A) => Promise<T> {
  let kept: { readonly answer: T; readonly until: number } | undefined;
  const flight = createSingleFlight({
    call: ask,
    lostMs: LOST_AFTER_MS,
    keepAlive,
    now,
    onAnswer: (answer) => (kept = { answer, until: now() + keepMs(answer) }),
  });
  return async (...args) => (kept !== undefined && now() < kept.until ? kept.answer : flight.begin(...args).answer);
}
