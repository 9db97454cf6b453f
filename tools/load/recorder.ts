// Records the result of each request of a load, by operation.
import { FailureTally, type FailureCount } from "../bench/failures.ts";
import { type Distribution, distributionOf } from "../bench/statistics.ts";

export interface OperationRow {
  readonly operation: string;
  readonly sent: number;
  readonly succeeded: number;
  /** Times of successful requests, from the intended start to the last byte. */
  readonly ms: Distribution | null;
}

export class Recorder {
  readonly #times = new Map<string, number[]>();
  readonly #failures = new FailureTally(Number.POSITIVE_INFINITY);
  /** How much later than due a request was sent, if only this process delayed it. */
  readonly #lateness: number[] = [];

  /** @param dueAt on the clock of `performance.now()` */
  async time(operation: string, dueAt: number, send: () => Promise<unknown>): Promise<void> {
    const times = this.#times.get(operation) ?? [];
    this.#times.set(operation, times);
    try {
      await send();
      times.push(performance.now() - dueAt);
    } catch (error) {
      this.#failures.note(operation, error);
    }
  }

  late(ms: number): void {
    this.#lateness.push(ms);
  }

  rows(): OperationRow[] {
    return [...this.#times].map(([operation, times]) => ({
      operation,
      sent: times.length + this.#failures.countAt(operation),
      succeeded: times.length,
      ms: distributionOf(times),
    }));
  }

  failures(): FailureCount[] {
    return this.#failures.list();
  }

  lateness(): Distribution | null {
    return distributionOf(this.#lateness);
  }
}
