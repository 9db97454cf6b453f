/**
 * Paces the requests of each end user with a token bucket, so that one user hardly delays others on the same thread.
 * The rate limit of the deployment alone would let a hundred requests of a user start at once, and it counts a large
 * request like a small one.
 */

import {
  PACED_UNITS_OF_A_REFUSAL,
  BYTES_PER_PACED_UNIT,
  MAX_PACED_WAIT_MS,
  PACED_BURST_UNITS,
  PACED_UNITS_PER_SECOND,
} from "../api/limits.ts";
import type { Principal } from "../api/principal.ts";
import { sleep } from "../lib/sleep.ts";
import { type Counted, countedAs, type LimitRequests, rateLimited } from "./rate-limit.ts";

/** The maximum number of buckets. Beyond that, full buckets are dropped first. */
const MAX_KNOWN = 5_000;
/** The time in which a bucket gains one unit. */
const UNIT_MS = 1_000 / PACED_UNITS_PER_SECOND;
/**
 * How far large bodies and refusals can push a bucket below zero: so far that the next request waits
 * `MAX_PACED_WAIT_MS` at most.
 */
const MAX_DEBT_UNITS = MAX_PACED_WAIT_MS / UNIT_MS;

interface Bucket {
  /** Negative while requests wait, and after a large request. */
  units: number;
  at: number;
}

export interface PaceOptions {
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
}

/**
 * One token bucket for each user, in the memory of this isolate or object. Nothing is stored, and no other component is
 * asked.
 */
export class Pace {
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #buckets = new Map<string, Bucket>();

  constructor({ now = Date.now, wait = sleep }: PaceOptions = {}) {
    this.#now = now;
    this.#wait = wait;
  }

  /**
   * Takes one unit, and resolves once the bucket has it.
   * @throws {ThreadkeepError} `rate_limited` if that would take longer than `MAX_PACED_WAIT_MS`
   */
  async admit(user: string): Promise<void> {
    const bucket = this.#bucketOf(user);
    const waitMs = (1 - bucket.units) * UNIT_MS;
    if (waitMs > MAX_PACED_WAIT_MS + UNIT_MS) throw rateLimited("this user");
    bucket.units -= 1;
    if (waitMs > 0) await this.#wait(waitMs);
  }

  /** Takes the units for a body or an answer of this many bytes. The requests after it wait for them. */
  spend(user: string, bytes: number): void {
    this.#take(user, Math.floor(bytes / BYTES_PER_PACED_UNIT));
  }

  /** Takes the additional units of a request that was refused as invalid or forbidden. */
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

  /** Drops full buckets, which hold no information, then the oldest ones, until there is room. */
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

/** The name of the caller's bucket; null for a back end, which acts for many users. */
export function pacedAs(principal: Pick<Principal, "kind" | "id" | "owner" | "ticket" | "tenant">): string | null {
  return pacedName(principal.tenant, countedAs(principal));
}

/** The same for a caller on a socket, who is known only as they are counted. */
export function pacedName(tenant: string, { tier, name }: Counted): string | null {
  return tier === "user" ? `${tenant}/${name}` : null;
}

/** Creates the functions with which a surface charges the caller's bucket. */
export function costsOf(pace: Pick<Pace, "spend" | "refuse">) {
  const charge = (principal: Principal, take: (user: string) => void): void => {
    const user = pacedAs(principal);
    if (user !== null) take(user);
  };
  return {
    spend: (principal: Principal, bytes: number) => charge(principal, (user) => pace.spend(user, bytes)),
    refuse: (principal: Principal) => charge(principal, (user) => pace.refuse(user)),
  };
}

/** Used if rate limits are off. */
export const NO_COSTS = { spend: () => undefined, refuse: () => undefined };

/** Puts the bucket before a rate limit: a request that the bucket refuses is not counted by the limit. */
export function paceRequests(limit: LimitRequests, pace: Pick<Pace, "admit">): LimitRequests {
  return async (principal) => {
    const user = pacedAs(principal);
    if (user !== null) await pace.admit(user);
    await limit(principal);
  };
}
