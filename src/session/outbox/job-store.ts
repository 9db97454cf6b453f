import type { JobKind } from "../../api/job.ts";
import type { Seq } from "../../api/message.ts";
import type { Changes } from "../changes.ts";
import {
  type JobRow,
  NOTHING_IN_PROGRESS,
  number,
  numberOrNull,
  overwritten,
  storedDetails,
  type SummaryInProgress,
  text,
  toJobRow,
  toSummaryInProgress,
  type TableGroup,
} from "../sqlite/index.ts";

/** All SQL statements for jobs. This file decides nothing. */

/** How many jobs one alarm sends. Each send is a subrequest, and an invocation may make a thousand. */
const MAX_DUE_AT_ONCE = 100;

/** SQL list of the kinds of job that remain after their session is erased. */
const ERASURES = "'erase', 'erase-copies'";

/**
 * The table of jobs, and that of summaries in progress. Each write of a job is noted in `Changes`, so that the commit sets the alarm and answers whoever waits for
 * a job.
 */
export class JobStore {
  readonly #sql: TableGroup;
  /** Cache of `pendingThrough`, because each context asks for it. */
  readonly #pendingThrough = new Map<JobKind, Seq | null>();

  readonly #changes: Changes;
  /** Cache of `nextSendAt`, because each commit asks for it; undefined if it was not read yet. */
  #nextSendAt: number | null | undefined;

  constructor(sql: TableGroup, changes: Changes) {
    this.#sql = sql;
    this.#changes = changes;
  }

  /** Clears the caches after a rollback, since they may hold what was never committed. */
  forget(): void {
    this.#pendingThrough.clear();
    this.#nextSendAt = undefined;
  }

  #noteWrite(): void {
    this.forget();
    this.#changes.isRescheduled = true;
  }

  /**
   * The oldest job of a kind; null if there is none. Erasures have one job for each epoch, every other kind has at most
   * one.
   */
  first<Kind extends JobKind>(kind: Kind): (JobRow & { readonly kind: Kind }) | null {
    const row = this.#sql.exec("SELECT * FROM jobs WHERE kind = ? ORDER BY created_at, id LIMIT 1", kind).toArray()[0];
    const job = row === undefined ? null : toJobRow(row);
    return job !== null && isOfKind(job, kind) ? job : null;
  }

  /**
   * The pending jobs that are due, the longest overdue first, at most `MAX_DUE_AT_ONCE`. The next alarm sends the rest.
   */
  due(now: number): JobRow[] {
    return this.#sql
      .exec(
        `SELECT * FROM jobs WHERE state = 'pending' AND next_send_at <= ? ORDER BY next_send_at, created_at, id LIMIT ${MAX_DUE_AT_ONCE}`,
        now,
      )
      .toArray()
      .map(toJobRow);
  }

  /**
   * The oldest pending job that was sent at least `sends` times, and that has failed or was created by `createdBy` (ms
   * since 1970). Null if there is none. Upgrades of summaries and vectors are left out.
   */
  oldestSent(sends: number, createdBy: number): Pick<JobRow, "id" | "kind" | "createdAt"> | null {
    const row = this.#sql
      .exec(
        `SELECT id, kind, created_at FROM jobs
         WHERE state = 'pending' AND kind <> 'embed' AND coalesce(details ->> 'is', '') <> 'upgrade'
           AND sends >= ? AND (first_failed_at IS NOT NULL OR created_at <= ?)
         ORDER BY created_at, id LIMIT 1`,
        sends,
        createdBy,
      )
      .toArray()[0];
    if (row === undefined) return null;
    return { id: text(row["id"]), kind: text(row["kind"]) as JobKind, createdAt: number(row["created_at"]) };
  }

  /** The epochs that jobs of a kind belong to, the oldest job first. */
  epochsOf(kind: JobKind, limit: number): string[] {
    return this.#sql
      .exec("SELECT epoch FROM jobs WHERE kind = ? ORDER BY created_at, id LIMIT ?", kind, limit)
      .toArray()
      .map((row) => text(row["epoch"]));
  }

  /** Whether there is any job with another id. */
  isAnyBut(id: string): boolean {
    return this.#sql.exec("SELECT 1 FROM jobs WHERE id <> ? LIMIT 1", id).toArray().length > 0;
  }

  /** All jobs that end with their session, at most one of a kind. Erasures are not among them. */
  ending(): JobRow[] {
    return this.#sql
      .exec(`SELECT * FROM jobs WHERE kind NOT IN (${ERASURES}) ORDER BY created_at, id`)
      .toArray()
      .map(toJobRow);
  }

  /** Whether a job of this kind is pending (and has not failed). */
  isPending(kind: JobKind): boolean {
    return this.#sql.exec("SELECT 1 FROM jobs WHERE kind = ? AND state = 'pending' LIMIT 1", kind).toArray().length > 0;
  }

  /** The `throughSeq` of the pending job of a kind; null if none is pending. */
  pendingThrough(kind: JobKind): Seq | null {
    const known = this.#pendingThrough.get(kind);
    if (known !== undefined) return known;
    const row = this.#sql
      .exec("SELECT through_seq FROM jobs WHERE kind = ? AND state = 'pending' LIMIT 1", kind)
      .toArray()[0];
    const throughSeq = numberOrNull(row?.["through_seq"]);
    this.#pendingThrough.set(kind, throughSeq);
    return throughSeq;
  }

  /** When the next pending job is due, in ms since 1970; null if none is pending. */
  nextSendAt(): number | null {
    if (this.#nextSendAt === undefined) {
      const row = this.#sql.exec("SELECT min(next_send_at) AS at FROM jobs WHERE state = 'pending'").toArray()[0];
      this.#nextSendAt = numberOrNull(row?.["at"]);
    }
    return this.#nextSendAt;
  }

  byId(id: string): JobRow | null {
    const row = this.#sql.exec("SELECT * FROM jobs WHERE id = ?", id).toArray()[0];
    return row === undefined ? null : toJobRow(row);
  }

  /** Writes a job. */
  put(job: JobRow): void {
    this.#noteWrite();
    if (job.state === "failed") this.#changes.endedJobs.add(job.id);
    this.#sql.exec(
      `INSERT OR REPLACE INTO jobs (id, epoch, kind, state, through_seq, sends, failures, next_send_at, lease, lease_until,
         first_error, last_error, first_failed_at, last_failed_at, created_at, details)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      job.id,
      job.epoch,
      job.kind,
      job.state,
      job.throughSeq,
      job.sends,
      job.failures,
      job.nextSendAt,
      job.lease,
      job.leaseUntil,
      job.firstError,
      job.lastError,
      job.firstFailedAt,
      job.lastFailedAt,
      job.createdAt,
      storedDetails(job),
    );
  }

  delete(id: string): void {
    this.#noteWrite();
    this.#changes.endedJobs.add(id);
    const [row] = this.#sql.exec("DELETE FROM jobs WHERE id = ? RETURNING kind", id).toArray();
    if (row?.["kind"] === "summarize") this.deleteInProgress(id);
  }

  /** Deletes all jobs except erasures. */
  deleteAllButErasures(): void {
    this.#noteWrite();
    this.#changes.isWiped = true;
    this.#sql.exec(`UPDATE summaries_in_progress SET draft = ${overwritten("draft")}`);
    this.#sql.exec("DELETE FROM summaries_in_progress");
    this.#sql.exec(`DELETE FROM jobs WHERE kind NOT IN (${ERASURES})`);
  }

  /** What a summarize job has in progress. */
  inProgress(jobId: string): SummaryInProgress {
    const row = this.#sql.exec("SELECT * FROM summaries_in_progress WHERE job_id = ?", jobId).toArray()[0];
    return row === undefined ? NOTHING_IN_PROGRESS : toSummaryInProgress(row);
  }

  /** Writes what a summarize job has in progress. */
  putInProgress(jobId: string, { chunk, draft, invalidatedFromSeq, usage }: SummaryInProgress): void {
    this.#overwriteDraft(jobId);
    this.#sql.exec(
      `INSERT OR REPLACE INTO summaries_in_progress (job_id, base_version, chunk_through_seq, invalidated_from_seq, draft, usage)
       VALUES (?, ?, ?, ?, ?, ?)`,
      jobId,
      chunk?.baseVersion ?? null,
      chunk?.throughSeq ?? null,
      invalidatedFromSeq,
      draft === null ? null : JSON.stringify(draft),
      usage === null ? null : JSON.stringify(usage),
    );
  }

  deleteInProgress(jobId: string): void {
    this.#overwriteDraft(jobId);
    this.#sql.exec("DELETE FROM summaries_in_progress WHERE job_id = ?", jobId);
  }

  /** Overwrites the stored draft with zeros, so that no copy of it stays in the database. */
  #overwriteDraft(jobId: string): void {
    this.#sql.exec(
      `UPDATE summaries_in_progress SET draft = ${overwritten("draft")} WHERE job_id = ? AND draft IS NOT NULL`,
      jobId,
    );
  }
}

function isOfKind<Kind extends JobKind>(job: JobRow, kind: Kind): job is JobRow & { readonly kind: Kind } {
  return job.kind === kind;
}
