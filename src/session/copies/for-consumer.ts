import { type Ended, mayBeKnown, mayBeListed } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { type Carried, type CarriedItems, carryOver, readCarried } from "./continue.ts";
import { type CopyPage, type CopyStep, saveCopyPage } from "./fork.ts";
import { type CopyCall, readCopyCalls } from "./tell-copies.ts";

/** What the consumers of fork, restore and erase-copies jobs call. */

/** A round of calls that tell copies of erasures. */
export interface CopyErasuresStep {
  readonly calls: CopyCall[];
  readonly lastCopy: number;
  readonly hasFailed: boolean;
}

/**
 * Reads the next round of calls to copies; null if all copies have confirmed.
 * @param afterCopy where the previous round ended; absent in the first round of a delivery, which continues where the
 *   previous delivery stopped
 */
export function readCopyErasures(
  unit: Unit,
  { jobId, epoch, afterCopy }: { jobId: string; epoch: string; afterCopy?: number | undefined },
): CopyErasuresStep | null {
  const job = unit.findJob(jobId, epoch);
  if (job === null) return null;
  return { ...readCopyCalls(unit, afterCopy ?? job.throughSeq), hasFailed: mayBeListed(job) };
}

/**
 * Saves a page of a copy that is under way.
 * @returns the next step; null if there is none, "known" if there is none and operators may have the job on their list
 */
export function landCopyPage(unit: Unit, jobId: string, page: CopyPage): CopyStep | "known" | null {
  const isKnown = mayBeKnown(unit, jobId);
  const step = saveCopyPage(unit, jobId, page);
  return step === null && isKnown ? "known" : step;
}

/**
 * What a continuation may take from this epoch; null if the epoch is over. If the session expired, the archive has it.
 */
export function readCarriedOf(unit: Unit, epoch: string, mayWait: boolean): Carried | null {
  return unit.findUnerased()?.epoch === epoch ? readCarried(unit, mayWait) : null;
}

/**
 * Saves the items that a continuation carries over.
 * @returns false if the consumer has to try again
 */
export function landCarried(unit: Unit, jobId: string, lease: string, carriedItems: CarriedItems | null): Ended {
  const isKnown = mayBeKnown(unit, jobId);
  const isDone = carryOver(unit, jobId, lease, carriedItems);
  return isDone && isKnown ? "known" : isDone;
}
