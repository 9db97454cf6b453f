// Counts failures by place and kind, and keeps the first of each kind in full: a thousand equal failures are reported in one line.
import { RequestFailure } from "./client.ts";

/** A section with more failures than this is stopped, because its figures would mean nothing. */
const MAX_FAILURES_PER_PLACE = 500;

export interface FailureCount {
  readonly place: string;
  readonly kind: string;
  readonly count: number;
  readonly first: string;
}

export class TooManyFailures extends Error {
  override readonly name = "TooManyFailures";
}

export class FailureTally {
  readonly #counts = new Map<string, FailureCount>();
  readonly #maxPerPlace: number;

  constructor(maxPerPlace = MAX_FAILURES_PER_PLACE) {
    this.#maxPerPlace = maxPerPlace;
  }

  /** Counts a failed request. Any other error is a bug of the benchmark and is thrown again. */
  note(place: string, error: unknown): void {
    if (!(error instanceof RequestFailure)) throw error;
    const key = `${place}\n${error.kind}`;
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    const first = this.#counts.get(key)?.first ?? error.message;
    this.#counts.set(key, { place, kind: error.kind, count, first });
    if (this.countAt(place) > this.#maxPerPlace) throw new TooManyFailures(`${place}: ${error.message}`);
  }

  countAt(place: string): number {
    return this.list().reduce((sum, entry) => sum + (entry.place === place ? entry.count : 0), 0);
  }

  list(): FailureCount[] {
    return [...this.#counts.values()];
  }
}
