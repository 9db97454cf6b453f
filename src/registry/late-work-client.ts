import type { JobKind } from "../contracts/job.ts";

/** Work that a session, or the directory of a user, has sent again and again without hearing of it. */
export interface LateWork {
  readonly jobId: string;
  readonly kind: JobKind | "erase-user";
  /** ms since 1970 */
  readonly owedAt: number;
}

/** The part of the Operations object that hears of it. */
export interface LateWorkNamespace {
  getByName(name: string): { noteLate(work: LateWork): Promise<void> };
}

/** In so many ms an isolate tells once: an outage makes the work of a hundred thousand sessions late, and there is one Operations object. */
const PAUSE_MS = 10_000;

export interface LateWorkClient {
  /**
   * Idempotent by job. Between two pauses only what is older than all that was told is told at once: what is left out now is sent
   * again in a few minutes, and so comes here again.
   * @returns whether it was told
   */
  note(namespace: LateWorkNamespace, work: LateWork): Promise<boolean>;
}

/** @param now ms since 1970 */
export function createLateWorkClient(now: () => number = Date.now): LateWorkClient {
  let last = { at: Number.NEGATIVE_INFINITY, owedAt: Number.POSITIVE_INFINITY };
  return {
    async note(namespace, work) {
      const at = now();
      if (at - last.at < PAUSE_MS && work.owedAt >= last.owedAt) return false;
      last = { at, owedAt: work.owedAt };
      await namespace.getByName("operations").noteLate(work);
      return true;
    },
  };
}
