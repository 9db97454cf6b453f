import { ThreadkeepError } from "./errors.ts";
import { pause } from "./pause.ts";

/** The deadline of a call with all its tries: the caller's signal, or the timeout. */
export interface Deadline {
  /** The signal for each request of the call. */
  readonly signal: AbortSignal;
  /** Throws if the call has ended: the reason of the caller's signal, or `deadline_exceeded`. */
  check(cause?: unknown): void;
  /** Waits and resolves to true. Resolves to false immediately if the call would end first. */
  pause(ms: number): Promise<boolean>;
  /** Stops the timeout. The caller's signal stays effective for a stream that is still being read. */
  clear(): void;
}

export function startDeadline(timeoutMs: number, signal: AbortSignal | undefined): Deadline {
  const endsAt = Date.now() + timeoutMs;
  const clock = new AbortController();
  const timer = setTimeout(() => clock.abort(), timeoutMs);
  const exceeded = (cause: unknown): ThreadkeepError => {
    const detail = `No answer within ${timeoutMs} ms. Send it again, or give it more time with timeoutMs.`;
    return new ThreadkeepError({ code: "deadline_exceeded", detail, cause });
  };
  const joined = signal === undefined ? clock.signal : AbortSignal.any([clock.signal, signal]);
  const check = (cause?: unknown): void => {
    signal?.throwIfAborted();
    if (clock.signal.aborted) throw exceeded(cause);
  };
  return {
    signal: joined,
    check,
    async pause(ms) {
      if (Date.now() + ms >= endsAt) return false;
      await pause(ms, joined);
      check();
      return true;
    },
    clear: () => clearTimeout(timer),
  };
}
