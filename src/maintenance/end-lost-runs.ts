import type { OperationRun } from "../api/operation-run.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { endIfLost, type LookUpDeps } from "../usecases/lost-runs.ts";

const RUNS_AT_ONCE = 100;

export interface LostRunDeps extends LookUpDeps {
  readonly operations: {
    readonly runs: LookUpDeps["operations"]["runs"] & {
      /** Newest first. */
      list(limit: number, after: { at: number; id: string } | null): Promise<OperationRun[]>;
    };
  };
  readonly log: Log;
}

/**
 * Ends runs whose Workflow instances have ended without saying so, even if nobody reads those runs. Idempotent; never
 * rejects.
 */
export async function endLostRuns({ log, ...parts }: LostRunDeps): Promise<void> {
  const { runs } = parts.operations;
  try {
    let after: { at: number; id: string } | null = null;
    do {
      const page: OperationRun[] = await runs.list(RUNS_AT_ONCE, after);
      const open = page.filter(({ finishedAt }) => finishedAt === null);
      const looked = await Promise.all(open.map((run) => endIfLost(run, parts)));
      for (const { id, op, status, finishedAt } of looked) {
        if (finishedAt !== null) log.warn("operation_lost", { run: id, op, status });
      }
      const last = page.at(-1);
      after = page.length < RUNS_AT_ONCE || last === undefined ? null : { at: Date.parse(last.createdAt), id: last.id };
    } while (after !== null);
  } catch (error) {
    log.error("operations_unreachable", errorFields(error));
  }
}
