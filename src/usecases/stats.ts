import type { FailureCount } from "../api/failed-job.ts";
import type { RunTally } from "../api/operation-run.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Backlog } from "../telemetry/backlog.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** How things stand now, for whoever watches. */
export interface Stats {
  /** The list of failed jobs; null if it is out of reach. */
  readonly failed: {
    readonly counts: readonly FailureCount[];
    /** Since when the job fails that has failed longest, ms since 1970; null if none does. */
    readonly oldestAt: number | null;
  } | null;
  /** Tenants that were created; null for a caller that may not know, or if nobody can tell. */
  readonly tenants: number | null;
  readonly backlogs: readonly Backlog[];
  /** Of operations; none for a caller that may not know. */
  readonly runs: readonly RunTally[];
}

/** A part that takes longer is told as out of reach: whoever watches asks again soon. */
const READ_TIMEOUT_MS = 5_000;

/** With a tenant's key what is about the tenant, with the admin key of all. What is out of reach is left out. */
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

/** Null of a part that fails or takes too long. */
function orNull<T>(answer: Promise<T>): Promise<T | null> {
  return withTimeout<T | null>(
    answer.catch(() => null),
    READ_TIMEOUT_MS,
    () => null,
  );
}
