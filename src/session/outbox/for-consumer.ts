import { countModelTokens, tokensOf } from "../quota/index.ts";
import type { Unit } from "../unit.ts";
import { mayBeKnown } from "./failed-jobs.ts";
import { type Failed, type FailureReport, noteFailure } from "./jobs.ts";
import type { Listing } from "./listing.ts";

/** What consumers call about any job, and about the list of sessions. */

/**
 * Whether a job is done. "known": it is done, and operators may have it on their list, because another delivery may
 * have failed while this one did it.
 */
export type Ended = boolean | "known";

/** Records a failed attempt and the tokens that it used. Null if the job is over. */
export function failJob(unit: Unit, jobId: string, epoch: string, failure: Failed): FailureReport | null {
  countModelTokens(unit, tokensOf(failure.usage));
  if (unit.findJob(jobId, epoch) === null) return null;
  return noteFailure(unit, jobId, failure, Math.random());
}

/**
 * Records that the directory has received the session's metadata.
 * @param metadataRev the revision of the metadata that it received
 * @param isConsumer whether the job's consumer delivered it, and removes the job from the operators' list. Any other
 *   caller leaves a job that may be on that list to its consumer
 */
export function settleListed(
  unit: Unit,
  jobId: string,
  { metadataRev, isConsumer }: Pick<Listing, "metadataRev"> & { isConsumer: boolean },
): Ended {
  if (unit.session.metadataRev !== metadataRev) return false;
  const isKnown = mayBeKnown(unit, jobId);
  if (isKnown && !isConsumer) return false;
  unit.store.jobs.delete(jobId);
  return isKnown ? "known" : true;
}
