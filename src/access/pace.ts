/**
 * Spreads what one end user sends, so that whoever is served by the same thread hardly notices. The limits at the edge let a hundred requests
 * pass at once, and count a large one like a small one; here each waits until the thread has had time for others since the last.
 */

import {
  PACED_UNITS_OF_A_REFUSAL,
  BYTES_PER_PACED_UNIT,
  MAX_PACED_WAIT_MS,
  PACED_BURST_UNITS,
  PACED_UNITS_PER_SECOND,
} from "../contracts/limits.ts";
import type { Principal } from "../contracts/principal.ts";
import { countedAs, type LimitRequests, rateLimited } from "./rate-limit.ts";

/** Users who are known at once, before those are forgotten who sent nothing for a while. */
const MAX_KNOWN = 5_000;
/** A request takes one, and one more for each so many bytes. */
const UNIT_MS = 1_000 / PACED_UNITS_PER_SECOND;
/** No debt is larger, however large one request was: whoever comes next waits no longer than anybody does. */
const MAX_DEBT_UNITS = MAX_PACED_WAIT_MS / UNIT_MS;

interface Bucket {
  /** Below nothing: what is owed. */
  units: number;
  at: number;
}

export interface PaceOptions {
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
}

/** A token bucket for each user, in the memory of this isolate or object. Nothing is asked or written: a request costs one look into a map. */
export class Pace {
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #buckets = new Map<string, Bucket>();

  constructor({ now = Date.now, wait = sleep }: PaceOptions = {}) {
    this.#now = now;
    this.#wait = wait;
  }

  /** Resolves when it is the turn of one more request of the user, after those that came before it. Throws `rate_limited` if that is too long. */
  async admit(user: string): Promise<void> {
    const bucket = this.#bucketOf(user);
    const waitMs = (1 - bucket.units) * UNIT_MS;
    if (waitMs > MAX_PACED_WAIT_MS + UNIT_MS) throw rateLimited("this user");
    bucket.units -= 1;
    if (waitMs > 0) await this.#wait(waitMs);
  }

  /** Takes what bytes cost, in or out: those who come after pay for it with time. */
  spend(user: string, bytes: number): void {
    this.#take(user, Math.floor(bytes / BYTES_PER_PACED_UNIT));
  }

  /** Takes what a refusal costs beyond the request. */
  refuse(user: string): void {
    this.#take(user, PACED_UNITS_OF_A_REFUSAL);
  }

  #take(user: string, units: number): void {
    if (units === 0) return;
    const bucket = this.#bucketOf(user);
    bucket.units = Math.max(Math.min(bucket.units, -MAX_DEBT_UNITS), bucket.units - units);
  }

  #bucketOf(user: string): Bucket {
    const now = this.#now();
    const known = this.#buckets.get(user);
    if (known === undefined) {
      if (this.#buckets.size >= MAX_KNOWN) this.#forget(now);
      const bucket = { units: PACED_BURST_UNITS, at: now };
      this.#buckets.set(user, bucket);
      return bucket;
    }
    known.units = Math.min(PACED_BURST_UNITS, known.units + (now - known.at) / UNIT_MS);
    known.at = now;
    return known;
  }

  /** Those who are as if nothing were known of them; of users without number the oldest, too. */
  #forget(now: number): void {
    for (const [user, { units, at }] of this.#buckets) {
      if (units + (now - at) / UNIT_MS >= PACED_BURST_UNITS) this.#buckets.delete(user);
    }
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_KNOWN) break;
      this.#buckets.delete(oldest);
    }
  }
}

/** The user whose requests are spread; null of a back end, which speaks for many. */
export function pacedAs(principal: Pick<Principal, "kind" | "id" | "owner" | "ticket" | "tenant">): string | null {
  const { tier, name } = countedAs(principal);
  return tier === "user" ? `${principal.tenant}/${name}` : null;
}

/** Takes what a surface tells of its requests. */
export function costsOf(pace: Pick<Pace, "spend" | "refuse">) {
  const told = (principal: Principal, take: (user: string) => void): void => {
    const user = pacedAs(principal);
    if (user !== null) take(user);
  };
  return {
    spend: (principal: Principal, bytes: number) => told(principal, (user) => pace.spend(user, bytes)),
    refuse: (principal: Principal) => told(principal, (user) => pace.refuse(user)),
  };
}

/** Of a deployment that is set to have no limits. */
export const NO_COSTS = { spend: () => undefined, refuse: () => undefined };

/** The same limit, asked once it is the caller's turn: what is refused here costs no question. */
export function paceRequests(limit: LimitRequests, pace: Pick<Pace, "admit">): LimitRequests {
  return async (principal) => {
    const user = pacedAs(principal);
    if (user !== null) await pace.admit(user);
    await limit(principal);
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
