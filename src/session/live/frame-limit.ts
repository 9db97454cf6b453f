import type { Pace } from "../../access/pace.ts";
import { type Counted, type LimitCounted, RATE_LIMIT_PERIOD_SECONDS, rateLimited } from "../../access/rate-limit.ts";
import type { Fault } from "../../api/errors.ts";
import { faultOf } from "../../api/problem.ts";

/**
 * How many frames of one caller may query the rate limiter at the same time, so that a flood of frames does not become
 * a flood of queries.
 * @internal Tests go up to it and past it.
 */
export const MAX_ASKED_AT_ONCE = 8;
/**
 * How many frames of one caller may wait for that. Their text is held in memory meanwhile.
 * @internal Tests go up to it and past it.
 */
export const MAX_WAITING_FRAMES = 200;
/** How many callers are remembered before idle ones are dropped. */
const MAX_CALLERS = 200;

interface Caller {
  asked: number;
  readonly waiting: (() => void)[];
  /** The last refusal, and until when it is repeated (ms since 1970). */
  barred: { readonly fault: Fault; readonly until: number } | null;
}

/**
 * Counts the frames on a session's sockets against the rate limits of their senders. A sender who was refused stays
 * refused for a period without another query, so that a flood of frames does not query the rate limiter, which runs
 * elsewhere, for each of them.
 */
export class FrameLimit {
  readonly #limit: LimitCounted;
  readonly #now: () => number;
  readonly #pace: Pick<Pace, "admit" | "spend" | "refuse">;
  readonly #callers = new Map<string, Caller>();

  constructor(limit: LimitCounted, pace: Pick<Pace, "admit" | "spend" | "refuse">, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
    this.#pace = pace;
  }

  /**
   * Resolves to the fault if the frame is refused; null if it is admitted. Never rejects.
   * @param isHigh whether the tenant has the high tier of limits
   * @param length of the frame, in UTF-16 units
   */
  async admit(tenant: string, counted: Counted, isHigh: boolean, length: number): Promise<Fault | null> {
    const caller = this.#callerOf(counted);
    // A caller who was refused is refused again at once, so that none of their frames is held in memory.
    if (counted.tier === "user" && !this.#isBarred(caller)) {
      try {
        const turn = this.#pace.admit(counted.name);
        this.#pace.spend(counted.name, length);
        await turn;
      } catch (error) {
        return faultOf(error);
      }
    }
    if (caller.waiting.length >= MAX_WAITING_FRAMES) return rateLimited("this caller").fault;
    if (caller.asked >= MAX_ASKED_AT_ONCE && !this.#isBarred(caller)) {
      await new Promise<void>((resolve) => void caller.waiting.push(resolve));
    }
    if (this.#isBarred(caller)) return caller.barred?.fault ?? null;
    caller.asked += 1;
    try {
      await this.#limit(tenant, counted, isHigh);
      return null;
    } catch (error) {
      const fault = faultOf(error);
      caller.barred = { fault, until: this.#now() + RATE_LIMIT_PERIOD_SECONDS * 1_000 };
      return fault;
    } finally {
      caller.asked -= 1;
      const released = this.#isBarred(caller) ? caller.waiting.length : 1;
      for (const resume of caller.waiting.splice(0, released)) resume();
    }
  }

  /** Charges the answer to a frame. @param length of the answer, in UTF-16 units */
  spend({ tier, name }: Counted, length: number): void {
    if (tier === "user") this.#pace.spend(name, length);
  }

  /** Charges a refused frame. */
  refuse({ tier, name }: Counted): void {
    if (tier === "user") this.#pace.refuse(name);
  }

  #isBarred({ barred }: Caller): boolean {
    return barred !== null && this.#now() < barred.until;
  }

  #callerOf({ tier, name }: Counted): Caller {
    const key = `${tier}/${name}`;
    const known = this.#callers.get(key);
    if (known !== undefined) return known;
    if (this.#callers.size >= MAX_CALLERS) this.#forget();
    const caller: Caller = { asked: 0, waiting: [], barred: null };
    this.#callers.set(key, caller);
    return caller;
  }

  #forget(): void {
    for (const [key, caller] of this.#callers) {
      if (caller.asked === 0 && caller.waiting.length === 0 && !this.#isBarred(caller)) this.#callers.delete(key);
    }
  }
}
