import { ThreadkeepError } from "./errors.ts";
import { pause } from "./pause.ts";

/** One end for a call with all its tries: the caller's signal, or the time that it has. */
export interface Deadline {
  /** For each request of the call. */
  readonly signal: AbortSignal;
  /** Throws if the call is over: the reason of the caller's signal, or `deadline_exceeded`. */
  check(cause?: unknown): void;
  /** Waits, and answers true; or false at once if the call would be over first, for waiting would be in vain. */
  pause(ms: number): Promise<boolean>;
  /** Stops the clock. The caller's signal goes on to hold for what is still being read. */
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
