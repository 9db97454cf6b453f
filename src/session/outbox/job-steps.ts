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

/** What consumers do for jobs, as the object's transactions have it: a step of the work itself, and what else the step calls for. */

/**
 * Whether a job is done. "known": it is, and operators may have it on their lists, since another delivery may have failed while this one
 * did it.
 */
export type Ended = boolean | "known";

// Summaries and vectors

/** The first step of a delivery. Past what models may read again for a user, summaries of the user's sessions are extractive. */
export function stepSummary(unit: Unit, jobId: string): SummaryStep {
  const step = beginSummary(unit, jobId);
  // Nothing was left to cover. What was said meanwhile may be due, and had no job of its own beside this one.
  if (step.next !== "call" && unit.store.jobs.byId(jobId) === null) scheduleSummaryIfDue(unit);
  return withinUsersBudget(unit, step);
}

export interface SavedAnswer {
  readonly lease: string;
  readonly answer: SummarizerAnswer;
  /** Why it is not by the summarizer that was asked for; null if it is. */
  readonly fallbackCause: Failed | null;
  /** What it brings is to be found by its meaning, too: with the version that lands vectors become due. */
  readonly isEmbedded: boolean;
}

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

/** Vectors as a consumer hands them over. */
export interface SavedVectors {
  readonly model: string;
  readonly vectors: readonly KeyedVector[];
  readonly usage: EmbeddingUsage;
}

/** @param model that is to make them; null: none does any more, and the job is over */
export function stepEmbedding(unit: Unit, jobId: string, model: string | null): EmbeddingStep {
  return withinUsersBudget(unit, beginEmbedding(unit, jobId, model));
}

/** @param saved vectors of texts that were handed out under the lease; what changed since is left out */
export function landVectors(unit: Unit, jobId: string, lease: string, { model, vectors }: SavedVectors): EmbeddingStep {
  return withinUsersBudget(unit, saveVectors(unit, jobId, lease, model, vectors));
}

/** Past what models may read again for a user, nothing more is read by them in the user's sessions. */
function withinUsersBudget<Step extends SummaryStep | EmbeddingStep>(unit: Unit, step: Step): Step {
  if (step.next !== "call") return step;
  return {
    ...step,
    isOverBudget: step.isOverBudget || unit.quotas.user.isSummarizerSpent(unit.session, unit.now),
  };
}

/** Notes a failed attempt, and what it spent in vain. Null if the job is over. */
export function failJob(unit: Unit, jobId: string, epoch: string, failure: Failed): FailureReport | null {
  countModelTokens(unit, tokensOf(failure.usage));
  if (unit.findJob(jobId, epoch) === null) return null;
  return noteFailure(unit, jobId, failure, Math.random());
}

// The archive and the list of sessions

/** @returns whether operators may have the job on their lists: another delivery may have failed since this one began */
export function settleArchived(unit: Unit, jobId: string, delta: Confirmed): boolean {
  const isKnown = mayBeKnown(unit, jobId);
  confirmArchived(unit, jobId, delta);
  return isKnown;
}

/**
 * The directory was told of the metadata.
 * @param metadataRev of which change of it
 * @param isConsumer whether it is the job's consumer that told it, who also takes the job off the operators' list. Whoever else did leaves
 *   a job that may be on that list to its consumer.
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

/** What the archive has to erase. */
export interface ErasureStep {
  readonly createdAt: number;
  readonly hasFailed: boolean;
  /** Jobs that operators need not know of any more. */
  readonly settles?: readonly string[];
  readonly grantedAt?: number;
}

/** Null if the archive has confirmed. */
export function readErasure(unit: Unit, jobId: string, epoch: string): ErasureStep | null {
  const job = unit.findJob(jobId, epoch);
  const { row } = unit;
  if (job === null || row === null) return null;
  const { settles, grantedAt } = job;
  return { createdAt: beganOf(job, row), hasFailed: mayBeListed(job), settles, grantedAt };
}

/** A page of what copies have yet to erase, or to confirm. */
export interface CopyErasuresStep {
  readonly pending: PendingCopyErasures[];
  readonly lastRow: number;
  readonly hasFailed: boolean;
}

/**
 * Null if all copies have confirmed.
 * @param afterRow where the round before ended; absent: where the delivery before did
 */
export function readCopyErasures(
  unit: Unit,
  { jobId, epoch, afterRow }: { jobId: string; epoch: string; afterRow?: number | undefined },
): CopyErasuresStep | null {
  const job = unit.findJob(jobId, epoch);
  if (job === null) return null;
  return { ...readPendingErasures(unit, afterRow ?? job.throughSeq), hasFailed: mayBeListed(job) };
}

/** Erases what this session took from others that was erased there. */
export function eraseWhatWasCopied(unit: Unit, erased: readonly Erased[]): Pick<CopyAnswer, "isGone" | "grantedAt"> {
  const session = unit.findUnerased();
  if (session === null) return { isGone: false, grantedAt: 0 };
  const { isGone } = eraseCopied(unit, erased);
  return { isGone, grantedAt: session.grantedAt };
}

/** Whether all of that is done, and what copies of this session have to be told. */
export function answerForCopied(
  unit: Unit,
  erased: readonly Erased[],
  place: PassedOnPlace,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  if (unit.row === null) return { isConfirmed: true, further: [], more: null };
  return answerFor(unit, erased, place);
}

/** What was to be copied is gone, and so is the copy. @returns the newest grant that it knows of */
export function loseCopy(unit: Unit): number {
  const { grantedAt, copying } = unit.session;
  if (copying !== null) eraseSession(unit);
  return grantedAt;
}

// Copies

/** @returns the next step; null if there is none, "known" if operators may have the job on their lists by then */
export function landCopyPage(unit: Unit, jobId: string, page: CopyPage): CopyStep | "known" | null {
  const isKnown = mayBeKnown(unit, jobId);
  const step = saveCopyPage(unit, jobId, page);
  return step === null && isKnown ? "known" : step;
}

/** What another session may carry over from this epoch; null if it is gone. An expired one has it in the archive. */
export function readCarriedOf(unit: Unit, epoch: string, mayWait: boolean): Carried | null {
  return unit.findUnerased()?.epoch === epoch ? readCarried(unit, mayWait) : null;
}

/** @returns false if it has to come again */
export function landCarried(unit: Unit, jobId: string, lease: string, carriedItems: CarriedItems | null): Ended {
  const isKnown = mayBeKnown(unit, jobId);
  const isDone = carryOver(unit, jobId, lease, carriedItems);
  return isDone && isKnown ? "known" : isDone;
}

// Expiry

/** What has to be done about an expiry. */
export interface FoundExpiry {
  readonly step: ExpiryStep;
  /** When that was found, in ms since 1970: of two who tell others, the later one is right. */
  readonly at: number;
  readonly grantedAt: number;
  readonly hasFailed: boolean;
  /** The revision that the archive confirmed; 0 if none has to be there. */
  readonly archivedRev?: number;
}

export function findExpiry(unit: Unit, jobId: string): FoundExpiry {
  const job = unit.store.jobs.byId(jobId);
  const { grantedAt, archivedRev } = unit.session;
  const step = stepExpiry(unit, jobId);
  return { step, at: unit.now, grantedAt, hasFailed: job !== null && mayBeListed(job), archivedRev };
}

/**
 * Expires, or calls it off, if that is still what has to be done.
 * @returns whether it did: else the job is sent again, or was done before
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
