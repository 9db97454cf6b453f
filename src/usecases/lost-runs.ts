import type { OperationRun } from "../api/operation-run.ts";
import { withTimeout } from "../lib/with-timeout.ts";

/** Whoever reads a run does not wait longer for Workflows: the run is told as it is noted then. */
const LOOK_TIMEOUT_MS = 2_000;

const AGAIN = "What was done stays done: start the operation again, and it goes over the rest.";

/** Instances that ended before they could say so. */
const ENDS = {
  errored: { status: "failed", error: `Its instance of the Workflow ended with an error. ${AGAIN}` },
  terminated: { status: "cancelled", error: `Its instance of the Workflow was terminated. ${AGAIN}` },
} as const;

/** How an instance of the Workflow ended that did not end as it should; null of any other. Rejects where nobody can tell. */
export type ReadInstanceEnd = (id: string) => Promise<keyof typeof ENDS | null>;

/** What a run is looked up with. */
export interface LookUpDeps {
  readonly readInstanceEnd?: ReadInstanceEnd;
  readonly operations: {
    readonly runs: {
      /** Idempotent. Null if nobody knows of the run. */
      finish(id: string, status: "failed" | "cancelled", error: string): Promise<OperationRun | null>;
    };
  };
}

/**
 * A run that goes on as far as it is noted, looked up with Workflows: one whose instance is over ends with it. What nobody can tell
 * leaves it as it is. Idempotent.
 */
export async function endIfLost(run: OperationRun, { readInstanceEnd, operations }: LookUpDeps): Promise<OperationRun> {
  if (run.finishedAt !== null || readInstanceEnd === undefined) return run;
  const end = await withTimeout(
    readInstanceEnd(run.instance ?? run.id).catch(() => null),
    LOOK_TIMEOUT_MS,
    () => null,
  );
  if (end === null) return run;
  const { status, error } = ENDS[end];
  return (await operations.runs.finish(run.id, status, error)) ?? run;
}
