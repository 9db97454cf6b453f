import type { Job, JobMessage } from "../../api/job.ts";
import type { Seq } from "../../api/message.ts";
import type { SummarizerUsage } from "../../api/summarizer.ts";
import type { SummaryUsage } from "../../api/summary.ts";
import {
  backlogDelayMs,
  LEASE_MS,
  MAX_EMBEDDING_FAILURES,
  MAX_SUMMARIZE_FAILURES,
  resendDelayMs,
  retryDelayMs,
  upgradeDelayMs,
} from "../../lib/retry-policy.ts";
import { planMessages, planVersions } from "../archive/index.ts";
import { noteChange } from "../log/index.ts";
import type { JobRow, SeqSet } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/** The outbox: a job stays here until its consumer confirms, whatever becomes of the queue's message. */

export function newJob(
  kind: JobRow["kind"],
  epoch: string,
  id: string,
  throughSeq: Seq,
  nextSendAt: number,
  now: number,
): JobRow {
  return {
    id,
    epoch,
    kind,
    state: "pending",
    throughSeq,
    fromScratch: false,
    rebuildBase: null,
    invalidatedFromSeq: null,
    sends: 0,
    failures: 0,
    nextSendAt,
    lease: null,
    leaseUntil: null,
    baseVersion: null,
    chunkThroughSeq: null,
    draft: null,
    usage: null,
    isUpgrade: false,
    firstError: null,
    lastError: null,
    firstFailedAt: null,
    lastFailedAt: null,
    createdAt: now,
    settles: [],
    grantedAt: 0,
    beganAt: 0,
  };
}

export function toJob(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    throughSeq: row.throughSeq,
    attempts: row.failures,
    createdAt: new Date(row.createdAt).toISOString(),
    ...(row.lastError === null ? {} : { lastError: row.lastError }),
  };
}

/** Whether a consumer is at it. What meets its lease does nothing: the object sends the job again when the lease ends, if it is pending still. */
export function isHeld(job: JobRow, now: number): boolean {
  return job.leaseUntil !== null && job.leaseUntil > now;
}

/** Marks what is due as sent, as much as an alarm sends, and says when to look again if nobody confirms. */
export function takeDueJobs(unit: Unit, random: () => number): JobMessage[] {
  const { store, now } = unit;
  const due: JobMessage[] = [];
  for (const job of store.jobs.due(now)) {
    const sends = job.sends + 1;
    store.jobs.put({ ...job, sends, nextSendAt: now + resendDelayMs(sends, random()) });
    const trace = unit.traces.of(job.id);
    due.push({
      v: 1,
      kind: job.kind,
      tenant: unit.session.tenant,
      owner: unit.session.owner,
      session: unit.session.session,
      epoch: job.epoch,
      throughSeq: job.throughSeq,
      jobId: job.id,
      sends,
      ...(trace === undefined ? {} : { trace }),
    });
  }
  return due;
}

/** The queue did not take it: try again soon. */
export function noteNotSent(unit: Unit, jobId: string, random: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job !== null) store.jobs.put({ ...job, nextSendAt: unit.now + retryDelayMs(job.sends, random) });
}

/**
 * The queue took it, and is behind: it is sent again once it may have had its turn. Nothing changes where that is soon, or the job went on
 * meanwhile.
 * @param waitedMs for how long the oldest message of the queue has waited
 */
export function noteBacklog(
  unit: Pick<Unit, "store" | "now">,
  { jobId, sends }: Pick<JobMessage, "jobId" | "sends">,
  waitedMs: number,
  random: number,
): boolean {
  const { store, now } = unit;
  const job = store.jobs.byId(jobId);
  const nextSendAt = now + backlogDelayMs(waitedMs, random);
  // One that somebody wants at once, or that failed, or that a consumer has already, is not in that queue's hands any more.
  const isWaiting = job?.state === "pending" && job.sends === sends && job.nextSendAt > now && !isHeld(job, now);
  if (job === null || !isWaiting || job.nextSendAt >= nextSendAt) return false;
  store.jobs.put({ ...job, nextSendAt });
  return true;
}

/** Why a consumer gives a job back that is not done. */
export interface PutOff {
  /** It is sent again after this; 0 where it only makes room for others. */
  readonly afterMs: number;
  /** What it holds; a job that has none of it any more is another's. */
  readonly lease?: string;
  /** It did a part of it: the job is no later than one that is sent for the first time. */
  readonly hasProgressed: boolean;
}

/** Gives a job back. The object sends it again: the queue's own retries are for deliveries that do not reach their object. */
export function putOff(unit: Unit, jobId: string, { afterMs, lease, hasProgressed }: PutOff) {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null || (lease !== undefined && job.lease !== lease)) return;
  const released =
    lease === undefined ? {} : { lease: null, leaseUntil: null, baseVersion: null, chunkThroughSeq: null };
  store.jobs.put({ ...job, ...released, sends: hasProgressed ? 0 : job.sends, nextSendAt: unit.now + afterMs });
}

/** Sends a job again at a moment, and not before. */
export function postponeJob({ store }: Unit, jobId: string, at: number): void {
  const job = store.jobs.byId(jobId);
  if (job !== null) store.jobs.put({ ...job, nextSendAt: at });
}

/**
 * Schedules for the archive what it lacks.
 * @param isReplaced what it holds of the summary has to go first: something in it was changed or erased
 * @param changed messages that were edited or erased
 */
export function scheduleArchive(unit: Unit, isReplaced = false, changed: SeqSet = []): void {
  const { store, now } = unit;
  const row = unit.session;
  const rev = row.archiveRev + 1;
  const replaces = row.archiveReplace || isReplaced;
  store.setArchiveRev(rev, replaces);
  store.setArchiveVersion(planVersions(unit, replaces));
  const messages = planMessages(unit, rev, changed);
  if (messages !== null || row.messageArchive !== null) store.setMessageArchive(messages);
  const open = store.jobs.first("archive");
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  if (open === null) {
    store.jobs.put(newJob("archive", unit.session.epoch, unit.newId(), throughSeq, now, now));
    return;
  }
  // While the archive is away the backoff stands: a new summary is no reason to believe that it is back.
  store.jobs.put({ ...open, throughSeq, nextSendAt: open.failures > 0 ? open.nextSendAt : now });
}

export interface FailureReport {
  readonly failures: number;
  readonly gaveUp: boolean;
  /** What went wrong first. */
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** What a consumer tells of a failed attempt. */
export interface Failed {
  readonly reason: string;
  readonly lease?: string;
  readonly retryAfterSeconds?: number;
  /** What was spent in vain. */
  readonly usage?: SummarizerUsage;
}

/** Failures after which a job is given up. */
function mostFailures({ kind, isUpgrade, rebuildBase, invalidatedFromSeq }: JobRow): number {
  if (kind === "embed") return MAX_EMBEDDING_FAILURES;
  // A degraded summary is made better whenever that can be: to try costs little while the summarizer is known to be away.
  if (kind !== "summarize" || isUpgrade) return Number.POSITIVE_INFINITY;
  // What was erased may live on in the versions that this one is to take the place of: it is never given up.
  const isRebuild = rebuildBase !== null || invalidatedFromSeq !== null;
  return isRebuild ? Number.POSITIVE_INFINITY : MAX_SUMMARIZE_FAILURES;
}

/** Notes a failed attempt, gives the lease back and sets the next attempt. Null if the job is gone, or the lease is another's. */
export function noteFailure(unit: Unit, jobId: string, failure: Failed, random: number): FailureReport | null {
  const { store, now } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return null;
  if (failure.lease !== undefined && failure.lease !== job.lease) return null;
  const failures = job.failures + 1;
  const gaveUp = failures >= mostFailures(job);
  const backoff = job.isUpgrade ? upgradeDelayMs(failures, random) : retryDelayMs(failures, random);
  const delay = Math.max(backoff, (failure.retryAfterSeconds ?? 0) * 1000);
  const firstFailedAt = job.firstFailedAt ?? now;
  const firstError = job.firstError ?? job.lastError ?? failure.reason;
  store.jobs.put({
    ...job,
    state: gaveUp ? "failed" : "pending",
    failures,
    nextSendAt: now + delay,
    lease: null,
    leaseUntil: null,
    baseVersion: null,
    chunkThroughSeq: null,
    usage: addUsage(job.usage, failure.usage, failure.lease === undefined ? undefined : heldMs(job, now)),
    firstError,
    lastError: failure.reason,
    firstFailedAt,
    lastFailedAt: now,
  });
  if (gaveUp && job.kind === "summarize") noteChange(unit, "summaryFailed", { throughSeq: job.throughSeq });
  return { failures, gaveUp, firstError, firstFailedAt, lastFailedAt: now };
}

/** How long the lease of a job has been held. */
export function heldMs({ leaseUntil }: Pick<JobRow, "leaseUntil">, now: number): number {
  return leaseUntil === null ? 0 : Math.max(0, now - (leaseUntil - LEASE_MS));
}

/** @param durationMs of the attempt that took it; undefined where nobody was asked */
export function addUsage(
  before: SummaryUsage | null,
  usage: SummarizerUsage | undefined,
  durationMs: number | undefined,
): SummaryUsage | null {
  if (usage === undefined && durationMs === undefined) return before;
  const sumOf = (name: keyof SummaryUsage, more: number | undefined): SummaryUsage => {
    const known = [before?.[name], more].filter((one) => one !== undefined);
    return known.length === 0 ? {} : { [name]: known.reduce((sum, one) => sum + one, 0) };
  };
  return {
    ...sumOf("inputTokens", usage?.inputTokens),
    ...sumOf("outputTokens", usage?.outputTokens),
    ...sumOf("costMicroDollars", usage?.costMicroDollars),
    ...sumOf("durationMs", durationMs),
  };
}
