import type { Changes } from "../changes.ts";

/** The calls that wait for a job to end. In memory only: a waiting call keeps the object awake. */
export class JobWaiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Resolves once the job is over, or after `waitMs` milliseconds. */
  ended(jobId: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(jobId) ?? new Set();
      this.#waiting.set(jobId, waiters);
      const finish = (): void => {
        clearTimeout(timer);
        waiters.delete(finish);
        if (waiters.size === 0) this.#waiting.delete(jobId);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      waiters.add(finish);
    });
  }

  /** Answers the calls that wait for a job that a transaction ended. Called after its commit. */
  wake({ endedJobs, isWiped }: Pick<Changes, "endedJobs" | "isWiped">): void {
    for (const jobId of isWiped ? [...this.#waiting.keys()] : endedJobs) {
      for (const finish of this.#waiting.get(jobId) ?? []) finish();
    }
  }
}
