import type { SummarizerClient } from "./client.ts";
import { SummarizerError } from "./summarizer-error.ts";

export interface CircuitBreakerLimits {
  /** Failures in a row after which a summarizer counts as away. */
  readonly failures: number;
  /** How long it is left alone then, unless it asked for longer; after that one call tries it. */
  readonly restMs: number;
  /** Nobody asks for a longer rest than this, whatever the other side says. */
  readonly maxRestMs: number;
}

export const CIRCUIT_BREAKER_LIMITS: CircuitBreakerLimits = { failures: 5, restMs: 15_000, maxRestMs: 300_000 };

/**
 * Keeps an isolate from calling a summarizer that is away: the sessions of a whole deployment would else each find out by
 * themselves, with a time limit each. A call that is not made fails with `circuit_open` and says when to come again.
 */
export interface CircuitBreaker {
  /** The same client, whose calls go through the breaker. */
  guard(client: SummarizerClient): SummarizerClient;
  /** Whether it failed too often of late, and no call has gone well since. */
  isOpen(): boolean;
}

/** @param now ms since 1970 */
export function createCircuitBreaker(
  now: () => number = Date.now,
  limits: CircuitBreakerLimits = CIRCUIT_BREAKER_LIMITS,
): CircuitBreaker {
  let failures = 0;
  let openUntil = 0;
  let isTrying = false;

  function admit(): void {
    if (failures < limits.failures) return;
    const waitMs = openUntil - now();
    if (waitMs <= 0 && !isTrying) return;
    const seconds = Math.max(1, Math.ceil(Math.max(waitMs, 0) / 1000));
    throw new SummarizerError("circuit_open", "the summarizer is left alone after failures", seconds);
  }

  function note(error: unknown): void {
    // An answer that is no good is an answer: the summarizer is there.
    const isAway = error instanceof SummarizerError && error.kind !== "invalid_answer";
    if (!isAway) {
      failures = 0;
      return;
    }
    failures += 1;
    const asked = Math.min(limits.maxRestMs, (error.retryAfterSeconds ?? 0) * 1000);
    openUntil = now() + Math.max(limits.restMs, asked);
  }

  return {
    isOpen: () => failures >= limits.failures,
    guard: (client) => ({
      async summarize(request, signal, trace) {
        admit();
        const isTrial = failures >= limits.failures;
        if (isTrial) isTrying = true;
        try {
          const answer = await client.summarize(request, signal, trace);
          failures = 0;
          return answer;
        } catch (error) {
          if (signal?.aborted !== true) note(error);
          throw error;
        } finally {
          if (isTrial) isTrying = false;
        }
      },
    }),
  };
}
