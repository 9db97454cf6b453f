import type { Failure } from "../api/job.ts";

/** Does the work of one batch, in which a report waits for those of the others. */
export interface GatheredReports {
  /** Once for each of those that the gathering was made for. */
  run<T>(body: () => Promise<T>): Promise<T>;
  /** Within `run`. Resolves when the list has it. */
  report(failure: Failure): Promise<void>;
}

/**
 * Tells the list of failures once of what fails together: there is one list, and in an outage all work fails. What is told waits until each of the
 * others has ended or waits as well, so that no clock is needed.
 * @param members how often `run` will be called, at once
 */
export function gatherReports(members: number, report: (...failures: Failure[]) => Promise<void>): GatheredReports {
  let active = members;
  let waiting: { readonly failure: Failure; readonly told: PromiseWithResolvers<void> }[] = [];
  const flush = (): void => {
    if (waiting.length === 0 || waiting.length < active) return;
    const those = waiting;
    waiting = [];
    report(...those.map(({ failure }) => failure)).then(
      () => those.forEach(({ told }) => told.resolve()),
      (error: unknown) => those.forEach(({ told }) => told.reject(error)),
    );
  };
  return {
    async run(body) {
      try {
        return await body();
      } finally {
        active -= 1;
        flush();
      }
    },
    report(failure) {
      const told = Promise.withResolvers<void>();
      waiting.push({ failure, told });
      flush();
      return told.promise;
    },
  };
}
