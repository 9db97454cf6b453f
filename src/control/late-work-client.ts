import type { JobKind } from "../api/job.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

/** A job that a session, or a user's directory, has sent several times without being confirmed. */
export interface LateWork {
  readonly jobId: string;
  readonly kind: JobKind | "erase-user";
  /** When it was scheduled, in ms since 1970. */
  readonly scheduledAt: number;
}

/** The method of the Operations object for late jobs. */
export interface LateWorkNamespace {
  getByName(name: string): { noteLate(work: LateWork): Promise<void> };
}

/**
 * How often an isolate reports, in ms. An outage can make the jobs of a hundred thousand sessions late, and there is
 * only one Operations object.
 */
const PAUSE_MS = 10_000;

/** Reports late jobs to operators. */
export interface LateWorkClient {
  /**
   * Reports a late job to operators; `null` reports nothing. Never rejects, because the job must still be sent if the
   * Operations object cannot be reached. Idempotent by job. Within `PAUSE_MS` after a report only an older job is
   * reported. A job that is left out is sent again in a few minutes, and reported then.
   */
  note(namespace: LateWorkNamespace, work: LateWork | null): Promise<void>;
}

/** @param now returns the time in ms since 1970 */
export function createLateWorkClient(log: Log, now: () => number = Date.now): LateWorkClient {
  let last = { at: Number.NEGATIVE_INFINITY, scheduledAt: Number.POSITIVE_INFINITY };
  return {
    async note(namespace, work) {
      const at = now();
      if (work === null || (at - last.at < PAUSE_MS && work.scheduledAt >= last.scheduledAt)) return;
      const { jobId, kind, scheduledAt } = work;
      last = { at, scheduledAt };
      try {
        await namespace.getByName("operations").noteLate(work);
        log.warn("job_late", { jobId, kind, pendingForMs: at - scheduledAt });
      } catch (error) {
        log.error("operations_unreachable", errorFields(error));
      }
    },
  };
}
