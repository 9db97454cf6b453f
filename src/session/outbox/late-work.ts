import type { LateWork } from "../../control/late-work-client.ts";
import { LATE_AFTER_MS, LATE_AFTER_SENDS } from "../../lib/retry-policy.ts";
import type { Unit } from "../unit.ts";

/**
 * The oldest of what a session has sent again and again; null if nothing is late. A better summary in the place of a fallback summary is
 * never late: it waits for a summarizer that may be away for days, and the list of failures has it.
 */
export function oldestLate(unit: Unit): LateWork | null {
  const oldest = unit.store.jobs.oldestSent(LATE_AFTER_SENDS, unit.now - LATE_AFTER_MS);
  return oldest === null ? null : { jobId: oldest.id, kind: oldest.kind, scheduledAt: oldest.createdAt };
}
