import type { OperationRun } from "../api/operation-run.ts";
import { withTimeout } from "../lib/with-timeout.ts";

/** How long reading a run waits for Workflows, in ms. After that the run is returned as it is stored. */
const LOOK_TIMEOUT_MS = 2_000;

const AGAIN = "What was done remains done: start the operation again to handle the rest.";

/** Instances that ended without recording the end of their run. */
const ENDS = {
  errored: { status: "failed", error: `Its Workflow instance failed. ${AGAIN}` },
  terminated: { status: "cancelled", error: `Its Workflow instance was terminated. ${AGAIN}` },
} as const;

/** How a Workflow instance ended, if it failed or was terminated; else null. Rejects if that cannot be determined. */
export type ReadInstanceEnd = (id: string) => Promise<keyof typeof ENDS | null>;

/** What is needed to look up a run. */
export interface LookUpDeps {
  readonly readInstanceEnd?: ReadInstanceEnd;
  readonly operations: {
    readonly runs: {
      /** Records the end of a run. Idempotent. Null if the run is not known. */
      finish(id: string, status: "failed" | "cancelled", error: string): Promise<OperationRun | null>;
    };
  };
}

/**
 * Checks with Workflows whether a run that is recorded as running has in fact ended, and if so records it. If that
 * cannot be determined, the run is returned unchanged. Idempotent.
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
