import { withTimeout } from "./with-timeout.ts";

/** A call in progress, which all share who ask meanwhile. */
export interface Flight<T> {
  /** ms since 1970 */
  readonly beganAt: number;
  readonly answer: Promise<T>;
  /** Resolves when the call is over and its outcome noted. Never rejects. */
  readonly ended: Promise<void>;
}

export interface SingleFlightOptions<A extends readonly unknown[], T> {
  readonly call: (...args: A) => Promise<T>;
  /** After this long a call is given up: the runtime may have cancelled it with the request that started it. */
  readonly lostMs: number;
  /** Keeps a call running after the request that started it has ended (`ctx.waitUntil`). */
  readonly keepAlive: (work: Promise<void>) => void;
  /** ms since 1970 */
  readonly now: () => number;
  /** The outcome of a call is noted only if it was neither given up nor abandoned before. */
  readonly onAnswer: (answer: T, beganAt: number) => void;
  readonly onFailure?: (error: unknown) => void;
  /** A call was given up. */
  readonly onLost?: (beganAt: number) => void;
}

export interface SingleFlight<A extends readonly unknown[], T> {
  /** The call in progress; null if none, or if it was given up. */
  running(): Flight<T> | null;
  /** The call in progress, or a new one. */
  begin(...args: A): Flight<T>;
  /** Ignores the outcome of the call in progress: something newer is known. */
  abandon(): void;
}

/** Lets one call run at a time, however many ask. */
export function createSingleFlight<A extends readonly unknown[], T>(
  options: SingleFlightOptions<A, T>,
): SingleFlight<A, T> {
  const { call, lostMs, keepAlive, now, onAnswer, onFailure, onLost } = options;
  let current: Promise<T> | null = null;
  let flight: Flight<T> | null = null;

  /** A call that throws at once fails like any other. */
  function callNow(...args: A): Promise<T> {
    try {
      return call(...args);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async function settle(answer: Promise<T>, beganAt: number): Promise<void> {
    try {
      const value = await answer;
      if (current !== answer) return;
      onAnswer(value, beganAt);
    } catch (error) {
      if (current !== answer) return;
      onFailure?.(error);
    }
    abandon();
  }

  function abandon(): void {
    current = null;
    flight = null;
  }

  function running(): Flight<T> | null {
    if (flight !== null && now() - flight.beganAt >= lostMs) {
      const { beganAt } = flight;
      abandon();
      onLost?.(beganAt);
    }
    return flight;
  }

  return {
    running,
    abandon,
    begin(...args) {
      const joined = running();
      if (joined !== null) return joined;
      const beganAt = now();
      const answer = callNow(...args);
      current = answer;
      const ended = settle(answer, beganAt);
      flight = { beganAt, answer, ended };
      keepAlive(ended);
      return flight;
    },
  };
}

/** Waits until a call is over, but at most `atMostMs` ms. */
export async function endOf({ ended }: Pick<Flight<unknown>, "ended">, atMostMs: number): Promise<void> {
  if (atMostMs > 0) await withTimeout(ended, atMostMs, () => undefined);
}
