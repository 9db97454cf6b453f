import type { Pace } from "../../access/pace.ts";
import { type Counted, type LimitCounted, RATE_LIMIT_PERIOD_SECONDS, rateLimited } from "../../access/rate-limit.ts";
import type { Fault } from "../../api/errors.ts";
import { faultOf } from "../../api/problem.ts";

/** Frames that one caller may have a limiter asked about at once: a flood of frames must not become one of questions. */
export const MAX_ASKED_AT_ONCE = 8;
/** Frames of one caller that wait for that. Their text is held meanwhile, so that there has to be an end to it. */
export const MAX_WAITING_FRAMES = 200;
/** Callers that are known here before those are forgotten of whom nothing has to be known. */
const MAX_CALLERS = 200;

interface Caller {
  asked: number;
  readonly waiting: (() => void)[];
  /** A refusal, and until when it stands. */
  barred: { readonly fault: Fault; readonly until: number } | null;
}

/**
 * Counts the frames on a session's sockets with the requests of whoever sends them. Who was refused is refused for a period, without a
 * question: a limiter that counts elsewhere is not asked by every frame of a flood.
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
   * Why one more frame is refused; null if it is not. Never rejects.
   * @param length of the frame, in characters
   */
  async admit(tenant: string, counted: Counted, isHigh: boolean, length: number): Promise<Fault | null> {
    const caller = this.#callerOf(counted);
    // Who was refused is so at once: nothing is held for them meanwhile.
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

  /** Takes what the answer to a frame cost. */
  spend({ tier, name }: Counted, length: number): void {
    if (tier === "user") this.#pace.spend(name, length);
  }

  /** Takes what a refusal costs beyond the frame. */
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
