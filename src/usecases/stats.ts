import type { FailureCount } from "../api/failed-job.ts";
import type { RunTally } from "../api/operation-run.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Backlog } from "../telemetry/backlog.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** Current figures for monitoring. */
export interface Stats {
  /** The list of failed jobs; null if it cannot be reached. */
  readonly failed: {
    readonly counts: readonly FailureCount[];
    /** When the job first failed that has been failing longest, in ms since 1970; null if there is none. */
    readonly oldestAt: number | null;
  } | null;
  /** The number of tenants that were created; null if the caller may not see it, or it cannot be read. */
  readonly tenants: number | null;
  readonly backlogs: readonly Backlog[];
  /** Runs of operations; empty if the caller may not see them. */
  readonly runs: readonly RunTally[];
}

/** A component that does not answer within this time, in ms, is left out: monitoring asks again soon. */
const READ_TIMEOUT_MS = 5_000;

/**
 * Figures of the caller's tenant, or with the administrator's key of all tenants. Components that cannot be reached are
 * left out.
 */
export const readStats = useCase(
  { action: "readMetrics", isSessionless: true },
  async ({ principal, parts }: RequestContext): Promise<Stats> => {
    const isAdmin = principal.scopes.includes("admin");
    const [operations, backlogs] = await Promise.all([
      orNull(parts.operations.stats(isAdmin ? null : principal.tenant)),
      isAdmin && parts.readBacklogs !== undefined ? orNull(parts.readBacklogs()) : [],
    ]);
    return {
      failed: operations === null ? null : { counts: operations.failed, oldestAt: operations.oldestFailedAt },
      tenants: isAdmin ? (operations?.tenants ?? null) : null,
      backlogs: backlogs ?? [],
      runs: operations?.runs ?? [],
    };
  },
);

/** Resolves to null if the answer fails or takes too long. */
function orNull<T>(answer: Promise<T>): Promise<T | null> {
  return withTimeout<T | null>(
    answer.catch(() => null),
    READ_TIMEOUT_MS,
    () => null,
  );
}
