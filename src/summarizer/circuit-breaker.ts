import type { SummarizerClient } from "./client.ts";
import { SummarizerError } from "./summarizer-error.ts";

export interface CircuitBreakerLimits {
  /** Failures in a row after which the other side counts as away. */
  readonly failures: number;
  /** How long it is left alone then, unless it asked for longer; after that one call tries it. */
  readonly restMs: number;
  /** Nobody asks for a longer rest than this, whatever the other side says. */
  readonly maxRestMs: number;
}

export const CIRCUIT_BREAKER_LIMITS: CircuitBreakerLimits = { failures: 5, restMs: 15_000, maxRestMs: 300_000 };

export interface BreakerOptions {
  /** ms since 1970 */
  readonly now: () => number;
  readonly limits: CircuitBreakerLimits;
  /** Whether a failure says that the other side is away, and for how long it asks to be left alone; null: it is there. */
  readonly awayBy: (error: unknown) => { readonly retryAfterSeconds?: number | undefined } | null;
  /** What a call that is not made fails with. */
  readonly refuse: (retryAfterSeconds: number) => Error;
}

/**
 * Keeps an isolate from calling what is away: the sessions of a whole deployment would else each find out by themselves, with a time limit
 * each.
 */
export interface Breaker {
  /** A failure after `signal` was aborted tells nothing of the other side. */
  run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Whether it failed too often of late, and no call has gone well since. */
  isOpen(): boolean;
}

export function createBreaker({ now, limits, awayBy, refuse }: BreakerOptions): Breaker {
  let failures = 0;
  let openUntil = 0;
  let isTrying = false;

  function admit(): void {
    if (failures < limits.failures) return;
    const waitMs = openUntil - now();
    if (waitMs <= 0 && !isTrying) return;
    throw refuse(Math.max(1, Math.ceil(Math.max(waitMs, 0) / 1000)));
  }

  function note(error: unknown): void {
    const away = awayBy(error);
    if (away === null) {
      failures = 0;
      return;
    }
    failures += 1;
    const asked = Math.min(limits.maxRestMs, (away.retryAfterSeconds ?? 0) * 1000);
    openUntil = now() + Math.max(limits.restMs, asked);
  }

  return {
    isOpen: () => failures >= limits.failures,
    async run(call, signal) {
      admit();
      const isTrial = failures >= limits.failures;
      if (isTrial) isTrying = true;
      try {
        const answer = await call();
        failures = 0;
        return answer;
      } catch (error) {
        if (signal?.aborted !== true) note(error);
        throw error;
      } finally {
        if (isTrial) isTrying = false;
      }
    },
  };
}

/** A breaker of summarizers. A call that is not made fails with `circuit_open` and says when to come again. */
export interface CircuitBreaker extends Pick<Breaker, "isOpen"> {
  /** The same client, whose calls go through the breaker. */
  guard(client: SummarizerClient): SummarizerClient;
}

/** @param now ms since 1970 */
export function createCircuitBreaker(
  now: () => number = Date.now,
  limits: CircuitBreakerLimits = CIRCUIT_BREAKER_LIMITS,
): CircuitBreaker {
  const breaker = createBreaker({
    now,
    limits,
    // An answer that is no good is an answer: the summarizer is there.
    awayBy: (error) => (error instanceof SummarizerError && error.kind !== "invalid_answer" ? error : null),
    refuse: (seconds) => new SummarizerError("circuit_open", "the summarizer is left alone after failures", seconds),
  });
  return {
    isOpen: breaker.isOpen,
    guard: (client) => ({
      summarize: (request, signal, trace) => breaker.run(() => client.summarize(request, signal, trace), signal),
    }),
  };
}
