import type { LateWork } from "../../control/late-work-client.ts";
import { LATE_AFTER_MS, LATE_AFTER_SENDS } from "../../lib/retry-policy.ts";
import type { Unit } from "../unit.ts";

/**
 * The oldest job that was sent several times without being confirmed; null if there is none. Upgrades of fallback
 * summaries are never late: the summarizer that they wait for may be away for days, and they are on the list of failed
 * jobs.
 */
export function oldestLate(unit: Unit): LateWork | null {
  const oldest = unit.store.jobs.oldestSent(LATE_AFTER_SENDS, unit.now - LATE_AFTER_MS);
  return oldest === null ? null : { jobId: oldest.id, kind: oldest.kind, scheduledAt: oldest.createdAt };
}
