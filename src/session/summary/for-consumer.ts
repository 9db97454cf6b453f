import type { EmbeddingUsage } from "../../api/embedding.ts";
import type { SummarizerAnswer } from "../../api/summarizer.ts";
import { type Failed, scheduleArchive, scheduleAuditRange } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleSummaryIfDue } from "./due.ts";
import { beginEmbedding, type EmbeddingStep, type KeyedVector, saveVectors, scheduleEmbedding } from "./embed.ts";
import { beginSummary, saveAnswer, type SummaryStep } from "./run.ts";

/** What the consumers of summarize and embed jobs call: a step of the work, and what that step makes necessary. */

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
  // A summary of many chunks may use up the limit: it is looked at before each of them.
  if (saved.committedVersion === null) return withinUsersBudget(unit, saved.step);
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
