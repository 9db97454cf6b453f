import type { CopyAnswer, Erased } from "../copies/index.ts";
import { mayBeListed } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { answerFor, eraseCopied } from "./erase-copied.ts";
import { eraseSession } from "./erase.ts";

/** What the consumers of erase jobs call, and the sources of what this session copied. */

/** What a consumer needs to erase a session from the archive. */
export interface ErasureStep {
  readonly createdAt: number;
  readonly hasFailed: boolean;
  /** Ids of jobs that ended with the session: the consumer removes them from the operators' list. */
  readonly settles: readonly string[];
  readonly grantedAt: number;
}

/** Reads what the archive has to erase; null if it has confirmed that already. */
export function readErasure(unit: Unit, jobId: string, epoch: string): ErasureStep | null {
  const job = unit.findJob(jobId, epoch);
  if (job?.kind !== "erase") return null;
  const { beganAt, settles, grantedAt } = job.erased;
  return { createdAt: beganAt, hasFailed: mayBeListed(job), settles, grantedAt };
}

/** Erases what this session took from other sessions and what has been erased there since. */
export function eraseWhatWasCopied(unit: Unit, erased: readonly Erased[]): Pick<CopyAnswer, "isGone" | "grantedAt"> {
  const session = unit.findUnerased();
  if (session === null) return { isGone: false, grantedAt: 0 };
  const { isGone } = eraseCopied(unit, erased);
  return { isGone, grantedAt: session.grantedAt };
}

/** Whether all of that is erased here, and which copies of this session have to be told in turn. */
export function answerForCopied(
  unit: Unit,
  erased: readonly Erased[],
  afterCopy: number,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  if (unit.row === null) return { isConfirmed: true, further: { own: null, ofEnded: [] }, more: null };
  return answerFor(unit, erased, afterCopy);
}

/**
 * The source of an unfinished copy is gone: erases the copy.
 * @returns the newest creation grant that it recorded
 */
export function loseCopy(unit: Unit): number {
  const { grantedAt, copying } = unit.session;
  if (copying !== null) eraseSession(unit);
  return grantedAt;
}
