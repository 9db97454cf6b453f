import { keepDay } from "../quota/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleAuditRange } from "./audit.ts";
import { mayBeKnown, mayBeListed } from "./failed-jobs.ts";
import type { Ended } from "./for-consumer.ts";
import { type ExpiryStep, stepExpiry } from "./idle-schedule.ts";

/** What the consumer of expire jobs calls. */

/** What the consumer of an expire job has to do. */
export interface FoundExpiry {
  readonly step: ExpiryStep;
  /** When this was decided, in ms since 1970. If two deliveries report to the directory, the later one is right. */
  readonly at: number;
  readonly grantedAt: number;
  readonly hasFailed: boolean;
  /** The revision that the archive confirmed; 0 if the archive need not hold one. */
  readonly archivedRev: number;
}

/**
 * Decides what to do about an expiry, without doing it: the consumer first tells the directory, then calls
 * `settleExpiry`.
 */
export function findExpiry(unit: Unit, jobId: string): FoundExpiry {
  const job = unit.store.jobs.byId(jobId);
  const { grantedAt, archivedRev } = unit.session;
  const step = stepExpiry(unit, jobId);
  return { step, at: unit.now, grantedAt, hasFailed: job !== null && mayBeListed(job), archivedRev };
}

/**
 * Expires the session, or cancels its expiry, if that is still the right step.
 * @returns false if the step changed, or the job is over already
 */
export function settleExpiry(unit: Unit, jobId: string, step: "expire" | "cancel"): Ended {
  const { store, now } = unit;
  const isKnown = mayBeKnown(unit, jobId);
  if (stepExpiry(unit, jobId) !== step) return false;
  if (step === "expire") {
    scheduleAuditRange(unit);
    keepDay(unit);
    store.expire(now);
  }
  store.jobs.delete(jobId);
  return isKnown ? "known" : true;
}
