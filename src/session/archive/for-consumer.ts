import { mayBeKnown } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { confirmArchived, type Confirmed } from "./delta.ts";

/** What the consumer of archive jobs calls. */

/**
 * Records what the archive has confirmed.
 * @returns whether operators may have the job on their list: another delivery may have failed since this one began
 */
export function settleArchived(unit: Unit, jobId: string, delta: Confirmed): boolean {
  const isKnown = mayBeKnown(unit, jobId);
  confirmArchived(unit, jobId, delta);
  return isKnown;
}
