import type { SummarizerClient } from "./client.ts";
import { SummarizerError } from "./summarizer-error.ts";

export interface CircuitBreakerLimits {
  /** Consecutive failures after which the other side counts as unavailable. */
  readonly failures: number;
  /** How long it is not called then, unless it asked for longer. After that, one trial call is made. */
  readonly restMs: number;
  /** The longest pause, whatever the other side asks for. */
  readonly maxRestMs: number;
}

export const CIRCUIT_BREAKER_LIMITS: CircuitBreakerLimits = { failures: 5, restMs: 15_000, maxRestMs: 300_000 };

export interface BreakerOptions {
  /** ms since 1970 */
  readonly now: () => number;
  readonly limits: CircuitBreakerLimits;
  /**
   * Whether an error means that the other side is unavailable, and how long it asks to be left alone; null if it is
   * available.
   */
  readonly awayBy: (error: unknown) => { readonly retryAfterSeconds?: number | undefined } | null;
  /** Makes the error of a call that is refused without being made. */
  readonly refuse: (retryAfterSeconds: number) => Error;
}

/**
 * Keeps an isolate from calling a service that is unavailable. Otherwise each session of the deployment would find out
 * by itself, after a timeout each.
 */
export interface Breaker {
  /** A failure after `signal` was aborted does not count, because it says nothing about the other side. */
  run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Whether the last calls failed and none has succeeded since. */
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

/** A breaker for summarizers. A call that is not made fails with `circuit_open` and says when to try again. */
export interface CircuitBreaker extends Pick<Breaker, "isOpen"> {
  /** Returns a client whose calls go through the breaker. */
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
    // An invalid answer is an answer, so the summarizer is available.
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
