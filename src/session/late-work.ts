import { LATE_AFTER_MS, LATE_AFTER_SENDS } from "../memory/work.ts";
import type { LateWork } from "../registry/late-work-client.ts";
import type { JobRow } from "./rows.ts";

/**
 * The oldest of what a session has sent again and again; null if nothing is late. A better summary in the place of a makeshift is
 * never late: it waits for a summarizer that may be away for days, and the list of failures has it.
 */
export function oldestLate(jobs: readonly JobRow[], now: number): LateWork | null {
  const [oldest] = jobs
    .filter((job) => job.state === "owed" && !job.isUpgrade && job.sends >= LATE_AFTER_SENDS)
    .filter((job) => job.firstFailedAt !== null || now - job.createdAt >= LATE_AFTER_MS)
    .toSorted((a, b) => a.createdAt - b.createdAt);
  return oldest === undefined ? null : { jobId: oldest.id, kind: oldest.kind, owedAt: oldest.createdAt };
}
