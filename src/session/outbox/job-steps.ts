import type { EmbeddingUsage } from "../../api/embedding.ts";
import type { SummarizerAnswer } from "../../api/summarizer.ts";
import { confirmArchived, type Confirmed } from "../archive/index.ts";
import {
  type Carried,
  carryOver,
  type CopyAnswer,
  type CopyPage,
  type CopyStep,
  type Erased,
  type CarriedItems,
  type PendingCopyErasures,
  type PassedOnPlace,
  readCarried,
  readPendingErasures,
  saveCopyPage,
} from "../copies/index.ts";
import { answerFor, beganOf, eraseCopied, eraseSession } from "../erase/index.ts";
import { countModelTokens, keepDay, tokensOf } from "../quota/index.ts";
import {
  beginEmbedding,
  beginSummary,
  type EmbeddingStep,
  type KeyedVector,
  scheduleEmbedding,
  scheduleSummaryIfDue,
  saveAnswer,
  saveVectors,
  type SummaryStep,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleAuditRange } from "./audit.ts";
import { mayBeKnown, mayBeListed } from "./failed-jobs.ts";
import { type ExpiryStep, stepExpiry } from "./idle-schedule.ts";
import { type Failed, type FailureReport, noteFailure, scheduleArchive } from "./jobs.ts";
import type { Listing } from "./listing.ts";

/**
 * The calls that consumers make for their jobs. Each runs in one transaction, and combines a step of the work itself
 * with what that step makes necessary.
 */

/**
 * Whether a job is done. "known": it is done, and operators may have it on their list, because another delivery may
 * have failed while this one did it.
 */
export type Ended = boolean | "known";

// Summaries and vectors

/**
 * The first call of a consumer of a summarize job. If the user's daily limit for models is used up, the step says so,
 * and the summary is extractive.
 */
export function stepSummary(unit: Unit, jobId: string): SummaryStep {
  const step = beginSummary(unit, jobId);
  // The job ended with nothing left to cover. Newer messages may be due for a summary, which could not be scheduled
  // while this job existed.
  if (step.next !== "call" && unit.store.jobs.byId(jobId) === null) scheduleSummaryIfDue(unit);
  return withinUsersBudget(unit, step);
}

/** A summarizer's answer as a consumer saves it. */
export interface SavedAnswer {
  readonly lease: string;
  readonly answer: SummarizerAnswer;
  /** Why the answer is not from the summarizer that the session asked for; null if it is. */
  readonly fallbackCause: Failed | null;
  /** Whether embedding is enabled: then a new version schedules a job for its vectors. */
  readonly isEmbedded: boolean;
}

/**
 * Saves a summarizer's answer (see `saveAnswer`). If that commits a version, schedules what follows from it: archiving,
 * the next summary, audit events and vectors.
 */
export function landAnswer(
  unit: Unit,
  jobId: string,
  { lease, answer, fallbackCause, isEmbedded }: SavedAnswer,
): SummaryStep {
  const saved = saveAnswer(unit, jobId, lease, answer, fallbackCause);
  if (saved.committedVersion === null) return saved.step;
  unit.traces.follow(jobId);
  scheduleArchive(unit, saved.isReplaced);
  scheduleSummaryIfDue(unit);
  scheduleAuditRange(unit);
  const embedding = isEmbedded ? scheduleEmbedding(unit, true) : null;
  return embedding !== null && saved.step.next === "done"
    ? { ...saved.step, embeddingJobId: embedding.id }
    : saved.step;
}

/** Vectors that a consumer saves, and what the call of the model used. */
export interface SavedVectors {
  readonly model: string;
  readonly vectors: readonly KeyedVector[];
  readonly usage: EmbeddingUsage;
}

/**
 * The first call of a consumer of an embed job.
 * @param model the model that makes the vectors; null if embedding is switched off, which ends the job
 */
export function stepEmbedding(unit: Unit, jobId: string, model: string | null): EmbeddingStep {
  return withinUsersBudget(unit, beginEmbedding(unit, jobId, model));
}

/** Saves vectors (see `saveVectors`), and returns the next texts. */
export function landVectors(unit: Unit, jobId: string, lease: string, { model, vectors }: SavedVectors): EmbeddingStep {
  return withinUsersBudget(unit, saveVectors(unit, jobId, lease, model, vectors));
}

/** Marks a step as over budget if the user's daily limit for models is used up. */
function withinUsersBudget<Step extends SummaryStep | EmbeddingStep>(unit: Unit, step: Step): Step {
  if (step.next !== "call") return step;
  return {
    ...step,
    isOverBudget: step.isOverBudget || unit.quotas.user.isSummarizerSpent(unit.session, unit.now),
  };
}

/** Records a failed attempt and the tokens that it used. Null if the job is over. */
export function failJob(unit: Unit, jobId: string, epoch: string, failure: Failed): FailureReport | null {
  countModelTokens(unit, tokensOf(failure.usage));
  if (unit.findJob(jobId, epoch) === null) return null;
  return noteFailure(unit, jobId, failure, Math.random());
}

// The archive and the list of sessions

/**
 * Records what the archive has confirmed.
 * @returns whether operators may have the job on their list: another delivery may have failed since this one began
 */
export function settleArchived(unit: Unit, jobId: string, delta: Confirmed): boolean {
  const isKnown = mayBeKnown(unit, jobId);
  confirmArchived(unit, jobId, delta);
  return isKnown;
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

// Erasures

/** What a consumer needs to erase a session from the archive. */
export interface ErasureStep {
  readonly createdAt: number;
  readonly hasFailed: boolean;
  /** Ids of jobs that ended with the session: the consumer removes them from the operators' list. */
  readonly settles?: readonly string[];
  readonly grantedAt?: number;
}

/** Reads what the archive has to erase; null if it has confirmed that already. */
export function readErasure(unit: Unit, jobId: string, epoch: string): ErasureStep | null {
  const job = unit.findJob(jobId, epoch);
  const { row } = unit;
  if (job === null || row === null) return null;
  const { settles, grantedAt } = job;
  return { createdAt: beganOf(job, row), hasFailed: mayBeListed(job), settles, grantedAt };
}

/** A page of the erasures that copies have not confirmed yet. */
export interface CopyErasuresStep {
  readonly pending: PendingCopyErasures[];
  readonly lastRow: number;
  readonly hasFailed: boolean;
}

/**
 * Reads the next page of erasures for copies; null if all copies have confirmed.
 * @param afterRow where the previous page ended; absent on the first page of a delivery, which continues where the
 *   previous delivery stopped
 */
export function readCopyErasures(
  unit: Unit,
  { jobId, epoch, afterRow }: { jobId: string; epoch: string; afterRow?: number | undefined },
): CopyErasuresStep | null {
  const job = unit.findJob(jobId, epoch);
  if (job === null) return null;
  return { ...readPendingErasures(unit, afterRow ?? job.throughSeq), hasFailed: mayBeListed(job) };
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
  place: PassedOnPlace,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  if (unit.row === null) return { isConfirmed: true, further: [], more: null };
  return answerFor(unit, erased, place);
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

// Copies

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

// Expiry

/** What the consumer of an expire job has to do. */
export interface FoundExpiry {
  readonly step: ExpiryStep;
  /** When this was decided, in ms since 1970. If two deliveries report to the directory, the later one is right. */
  readonly at: number;
  readonly grantedAt: number;
  readonly hasFailed: boolean;
  /** The revision that the archive confirmed; 0 if the archive need not hold one. */
  readonly archivedRev?: number;
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
