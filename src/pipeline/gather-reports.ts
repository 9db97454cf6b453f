import type { Failure } from "../api/job.ts";

/** Runs the members of a batch so that their reports of failures are sent together. */
export interface GatheredReports {
  /** Must be called exactly once for each member. */
  run<T>(body: () => Promise<T>): Promise<T>;
  /** May be called only within `run`. Resolves once the list of failures has stored the report. */
  report(failure: Failure): Promise<void>;
}

/**
 * Sends the reports of a batch in one call: there is one list of failures for all tenants, and in an outage every job
 * fails at once. Reports wait until each other member has either ended or is waiting too, so no timer is needed.
 * @param members how many times `run` will be called, all concurrently
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
