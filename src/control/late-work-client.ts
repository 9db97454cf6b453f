import type { JobKind } from "../api/job.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

/** Work that a session, or the directory of a user, has sent again and again without hearing of it. */
export interface LateWork {
  readonly jobId: string;
  readonly kind: JobKind | "erase-user";
  /** ms since 1970 */
  readonly scheduledAt: number;
}

/** The part of the Operations object that hears of it. */
export interface LateWorkNamespace {
  getByName(name: string): { noteLate(work: LateWork): Promise<void> };
}

/** In so many ms an isolate tells once: an outage makes the work of a hundred thousand sessions late, and there is one Operations object. */
const PAUSE_MS = 10_000;

export interface LateWorkClient {
  /**
   * Lets operators hear of work, if any is late. Never rejects: an Operations object out of reach must not fail the work itself.
   * Idempotent by job. Between two pauses only what is older than all that was told is told at once: what is left out now is sent
   * again in a few minutes, and so comes here again.
   */
  note(namespace: LateWorkNamespace, work: LateWork | null): Promise<void>;
}

/** @param now ms since 1970 */
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
