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
import type { JobBase, JobDetails, JobRow, SeqSet, SummarizeJob } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/**
 * The jobs of the outbox. A job stays here until its consumer confirms that it is done, whatever happens to the queue's
 * message.
 */

/** What of a new job is not the same for all. */
export interface NewJob {
  readonly throughSeq?: Seq;
  /** When it is first due, in ms since 1970; by default at once. */
  readonly nextSendAt?: number;
  /** The id of the job in whose place it comes; by default a new one. */
  readonly id?: string | undefined;
}

/** A pending job of the session, which the caller has to write. */
export function newJob<Details extends JobDetails>(
  unit: Unit,
  details: Details,
  { throughSeq = 0, nextSendAt = unit.now, id = unit.newId() }: NewJob = {},
): JobBase & Details {
  return {
    id,
    epoch: unit.session.epoch,
    state: "pending",
    throughSeq,
    nextSendAt,
    lease: null,
    leaseUntil: null,
    ...NEVER_FAILED,
    createdAt: unit.now,
    ...details,
  };
}

/** Fields of a job that has not failed, or whose earlier failures no longer count because a step of it has succeeded. */
export const NEVER_FAILED = {
  failures: 0,
  sends: 0,
  firstError: null,
  lastError: null,
  firstFailedAt: null,
  lastFailedAt: null,
} as const satisfies Partial<JobBase>;

/** The job as clients see it. */
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

/**
 * Whether a consumer holds the job's lease. Another consumer that finds it held does nothing: if the job is still
 * pending when the lease ends, the object sends it again.
 */
export function isHeld(job: JobRow, now: number): boolean {
  return job.leaseUntil !== null && job.leaseUntil > now;
}

/** The job without its lease: no consumer holds it, and an answer under that lease changes nothing. */
export function released<Row extends JobRow>(job: Row): Row {
  return { ...job, lease: null, leaseUntil: null };
}

/**
 * Returns the due jobs, as many as one alarm sends, and marks them as sent. If nobody confirms one, it is due again
 * after a pause.
 */
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

/** The queue did not accept the job: it is sent again soon. */
export function noteNotSent(unit: Unit, jobId: string, random: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job !== null) store.jobs.put({ ...job, nextSendAt: unit.now + retryDelayMs(job.sends, random) });
}

/**
 * The queue accepted the job but has a backlog: the job is sent again only once the queue has had time to deliver it.
 * Changes nothing if that is sooner than planned, or if the job was changed meanwhile.
 * @param waitedMs how long the oldest message of the queue has been waiting
 * @returns whether the job was changed
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
  // A job that is due at once, that failed, or that a consumer holds is no longer waiting in the queue.
  const isWaiting = job?.state === "pending" && job.sends === sends && job.nextSendAt > now && !isHeld(job, now);
  if (job === null || !isWaiting || job.nextSendAt >= nextSendAt) return false;
  store.jobs.put({ ...job, nextSendAt });
  return true;
}

/** How a consumer returns a job that is not done. */
export interface PutOff {
  /** The job is sent again after this many ms; 0 if the consumer only lets other jobs go first. */
  readonly afterMs: number;
  /** The lease that the consumer holds. If the job has another one by now, nothing changes. */
  readonly lease?: string;
  /** The consumer did a part of the work, so the count of deliveries without result starts again. */
  readonly hasProgressed: boolean;
}

/**
 * Returns a job that is not done, so that the object sends it again. (The queue's own retries are for deliveries that
 * do not reach their object.)
 */
export function putOff(unit: Unit, jobId: string, { afterMs, lease, hasProgressed }: PutOff) {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null || (lease !== undefined && job.lease !== lease)) return;
  store.jobs.put({
    ...(lease === undefined ? job : released(job)),
    sends: hasProgressed ? 0 : job.sends,
    nextSendAt: unit.now + afterMs,
  });
}

/** Sends a job again at a time (ms since 1970), and not before. */
export function postponeJob({ store }: Unit, jobId: string, at: number): void {
  const job = store.jobs.byId(jobId);
  if (job !== null) store.jobs.put({ ...job, nextSendAt: at });
}

/**
 * Schedules the archive job, and plans which versions and messages it sends.
 * @param isReplaced whether the archive first has to delete the session's summary, because something in it was changed
 *   or erased
 * @param changed messages that were edited or erased
 */
export function scheduleArchive(unit: Unit, isReplaced = false, changed: SeqSet = []): void {
  const { store, now } = unit;
  const row = unit.session;
  const rev = row.archiveRev + 1;
  const replaces = row.archiveReplace || isReplaced;
  store.setArchiveRev(rev, replaces, planVersions(unit, replaces));
  const messages = planMessages(unit, rev, changed);
  if (messages !== null || row.messageArchive !== null) store.setMessageArchive(messages);
  const open = store.jobs.first("archive");
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  if (open === null) {
    store.jobs.put(newJob(unit, { kind: "archive" }, { throughSeq }));
    return;
  }
  // While the archive fails, the backoff stays in effect: a new summary does not mean that the archive is back.
  store.jobs.put({ ...open, throughSeq, nextSendAt: open.failures > 0 ? open.nextSendAt : now });
}

/** What the job knows of its failures after the last one. Times are in ms since 1970. */
export interface FailureReport {
  readonly failures: number;
  readonly gaveUp: boolean;
  /** The reason of the first failure. */
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** A failed attempt, as its consumer reports it. */
export interface Failed {
  readonly reason: string;
  readonly lease?: string;
  readonly retryAfterSeconds?: number;
  /** What the failed attempt used. */
  readonly usage?: SummarizerUsage;
}

/** The number of failures after which a job is set to failed. */
function maxFailures(unit: Unit, job: JobRow): number {
  if (job.kind === "embed") return MAX_EMBEDDING_FAILURES;
  // An upgrade is retried without limit: an attempt costs little while the summarizer is known to be unavailable.
  const isLimited = job.kind === "summarize" && job.goal.is !== "upgrade" && !removesErased(unit, job);
  return isLimited ? MAX_SUMMARIZE_FAILURES : Number.POSITIVE_INFINITY;
}

/**
 * Whether versions that the job replaces, or an answer to it, may contain what was edited or erased. Such a job has to be
 * done.
 */
export function removesErased({ store }: Unit, { id, goal }: SummarizeJob): boolean {
  return goal.is === "rebuild" || store.jobs.inProgress(id).invalidatedFromSeq !== null;
}

/**
 * Records a failed attempt, releases the lease and schedules the next attempt. Null if the job is over, or if the lease
 * is no longer this consumer's.
 */
export function noteFailure(unit: Unit, jobId: string, failure: Failed, random: number): FailureReport | null {
  const { store, now } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return null;
  if (failure.lease !== undefined && failure.lease !== job.lease) return null;
  const failures = job.failures + 1;
  const gaveUp = failures >= maxFailures(unit, job);
  const isUpgrade = job.kind === "summarize" && job.goal.is === "upgrade";
  const backoff = isUpgrade ? upgradeDelayMs(failures, random) : retryDelayMs(failures, random);
  const delay = Math.max(backoff, (failure.retryAfterSeconds ?? 0) * 1000);
  const firstFailedAt = job.firstFailedAt ?? now;
  const firstError = job.firstError ?? job.lastError ?? failure.reason;
  store.jobs.put({
    ...released(job),
    state: gaveUp ? "failed" : "pending",
    failures,
    nextSendAt: now + delay,
    firstError,
    lastError: failure.reason,
    firstFailedAt,
    lastFailedAt: now,
  });
  if (job.kind === "summarize") addFailedUsage(unit, job, failure);
  if (gaveUp && job.kind === "summarize") noteChange(unit, "summaryFailed", { throughSeq: job.throughSeq });
  return { failures, gaveUp, firstError, firstFailedAt, lastFailedAt: now };
}

function addFailedUsage({ store, now }: Unit, job: SummarizeJob, { lease, usage: spent }: Failed): void {
  const before = store.jobs.inProgress(job.id);
  const usage = addUsage(before.usage, spent, lease === undefined ? undefined : heldMs(job, now));
  if (usage !== before.usage) store.jobs.putInProgress(job.id, { ...before, usage });
}

/** How long the job's lease has been held, in ms; 0 if it is not. */
export function heldMs({ leaseUntil }: Pick<JobRow, "leaseUntil">, now: number): number {
  return leaseUntil === null ? 0 : Math.max(0, now - (leaseUntil - LEASE_MS));
}

/**
 * Adds the usage of an attempt.
 * @param durationMs how long the attempt took; undefined if no summarizer was called
 */
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
