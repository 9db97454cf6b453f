import { ProviderError } from "./provider-error.ts";

interface CircuitBreakerLimits {
  /** Consecutive failures after which the other side counts as unavailable. */
  readonly failures: number;
  /** How long it is not called then, unless it asked for longer. After that, one trial call is made. */
  readonly restMs: number;
  /** The longest pause, whatever the other side asks for. */
  readonly maxRestMs: number;
}

const CIRCUIT_BREAKER_LIMITS: CircuitBreakerLimits = { failures: 5, restMs: 15_000, maxRestMs: 300_000 };

interface CircuitBreakerOptions {
  /** Who is called, as an error of a call that is not made names it. */
  readonly name: string;
  /** ms since 1970 */
  readonly now?: () => number;
  readonly limits?: CircuitBreakerLimits;
}

/**
 * Keeps an isolate from calling a provider that is unavailable. Otherwise each session of the deployment would find out
 * by itself, after a timeout each.
 */
export interface CircuitBreaker {
  /**
   * A call that is not made fails with `circuit_open` and says when to try again. A failure after `signal` was aborted
   * does not count, because it says nothing about the other side.
   */
  run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Whether the last calls failed and none has succeeded since. */
  isOpen(): boolean;
}

export function createCircuitBreaker({
  name,
  now = Date.now,
  limits = CIRCUIT_BREAKER_LIMITS,
}: CircuitBreakerOptions): CircuitBreaker {
  let failures = 0;
  let openUntil = 0;
  let isTrying = false;

  function admit(): void {
    if (failures < limits.failures) return;
    const waitMs = openUntil - now();
    if (waitMs <= 0 && !isTrying) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(Math.max(waitMs, 0) / 1000));
    throw new ProviderError("circuit_open", `${name} is left alone after failures`, { retryAfterSeconds });
  }

  function note(error: unknown): void {
    // An invalid answer is an answer, so the other side is available.
    const isAway = error instanceof ProviderError && error.kind !== "invalid_answer";
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
