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

/**
 * The jobs of the outbox. A job stays here until its consumer confirms that it is done, whatever happens to the queue's
 * message.
 */

/** A pending job, first due at `nextSendAt` (ms since 1970). */
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
  const released =
    lease === undefined ? {} : { lease: null, leaseUntil: null, baseVersion: null, chunkThroughSeq: null };
  store.jobs.put({ ...job, ...released, sends: hasProgressed ? 0 : job.sends, nextSendAt: unit.now + afterMs });
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
function maxFailures({ kind, isUpgrade, rebuildBase, invalidatedFromSeq }: JobRow): number {
  if (kind === "embed") return MAX_EMBEDDING_FAILURES;
  // A job that replaces a degraded summary is retried without limit: an attempt costs little while the summarizer is
  // known to be unavailable.
  if (kind !== "summarize" || isUpgrade) return Number.POSITIVE_INFINITY;
  // A rebuild is retried without limit: the versions that it replaces may still contain what was erased.
  const isRebuild = rebuildBase !== null || invalidatedFromSeq !== null;
  return isRebuild ? Number.POSITIVE_INFINITY : MAX_SUMMARIZE_FAILURES;
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
  const gaveUp = failures >= maxFailures(job);
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
