import type { FailureCount, FailureFilter } from "../contracts/failed-job.ts";
import type { Failure } from "../contracts/job.ts";
import type { UserRef } from "../contracts/user.ts";

/** Every SQL statement about the list of failed jobs. */

/** Failures kept at most; the oldest go first. The truth of each job stays in its session object. */
const MAX_FAILURES = 10_000;
/** Names of jobs that are held at once, of a list that may be all of one user's. */
const DELETED_AT_ONCE = 500;

const OF_USER = "failure ->> '$.tenant' = ? AND failure ->> '$.owner' = ?";
const AMONG = "job_id IN (SELECT value FROM json_each(?))";

/** Where a page of the list goes on. */
export interface FailurePlace {
  /** When it last failed, in ms since 1970. */
  readonly at: number;
  readonly jobId: string;
}

export const FAILURES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS failures (
    job_id TEXT PRIMARY KEY,
    last_failed_at INTEGER NOT NULL,
    failure TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS failures_newest ON failures (last_failed_at, job_id);
`;

export class FailedJobs {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Takes the place of an earlier report of the same job, but for what went wrong first. */
  put(failure: Failure): void {
    const before = this.byId(failure.jobId);
    const isOlder = before !== null && before.firstFailedAt < failure.firstFailedAt;
    const { firstError, firstFailedAt } = isOlder ? before : failure;
    this.#sql.exec(
      "INSERT OR REPLACE INTO failures (job_id, last_failed_at, failure) VALUES (?, ?, ?)",
      failure.jobId,
      Date.parse(failure.lastFailedAt),
      JSON.stringify({ ...failure, firstError, firstFailedAt }),
    );
    this.#sql.exec(
      `DELETE FROM failures WHERE job_id IN
         (SELECT job_id FROM failures ORDER BY last_failed_at DESC, job_id DESC LIMIT -1 OFFSET ?)`,
      MAX_FAILURES,
    );
  }

  byId(jobId: string): Failure | null {
    return this.#read("SELECT failure FROM failures WHERE job_id = ?", jobId)[0] ?? null;
  }

  delete(jobId: string): void {
    this.#sql.exec("DELETE FROM failures WHERE job_id = ?", jobId);
  }

  /** Takes jobs off the list, but for those that failed again since they were read. */
  settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): void {
    for (const { jobId, lastFailedAt } of read) {
      this.#sql.exec("DELETE FROM failures WHERE job_id = ? AND last_failed_at <= ?", jobId, Date.parse(lastFailedAt));
    }
  }

  /** Newest first. */
  list(limit: number, after: FailurePlace | null, filter: FailureFilter = {}): Failure[] {
    const from = after ?? { at: Number.MAX_SAFE_INTEGER, jobId: "" };
    return this.#read(
      `SELECT failure FROM failures
       WHERE (last_failed_at < ?1 OR (last_failed_at = ?1 AND job_id < ?2))
         AND (?4 IS NULL OR failure ->> '$.tenant' = ?4)
         AND (?5 IS NULL OR failure ->> '$.owner' = ?5)
         AND (?6 IS NULL OR failure ->> '$.session' = ?6)
         AND (?7 IS NULL OR failure ->> '$.kind' = ?7)
       ORDER BY last_failed_at DESC, job_id DESC LIMIT ?3`,
      from.at,
      from.jobId,
      limit,
      filter.tenant ?? null,
      filter.user ?? null,
      filter.session ?? null,
      filter.kind ?? null,
    );
  }

  countOfUser({ tenant, owner }: UserRef): number {
    return this.#sql
      .exec<{ count: number }>(`SELECT count(*) AS count FROM failures WHERE ${OF_USER}`, tenant, owner)
      .one().count;
  }

  /** What was noted is overwritten first: a row that is only deleted stays in its page. */
  deleteOfUser({ tenant, owner }: UserRef): void {
    for (;;) {
      const found = this.#sql
        .exec<{ job_id: string }>(
          `SELECT job_id FROM failures WHERE ${OF_USER} LIMIT ${DELETED_AT_ONCE}`,
          tenant,
          owner,
        )
        .toArray();
      if (found.length === 0) return;
      const jobs = JSON.stringify(found.map((row) => row.job_id));
      this.#sql.exec(
        `UPDATE failures SET failure = printf('%*s', length(CAST(failure AS BLOB)), '') WHERE ${AMONG}`,
        jobs,
      );
      this.#sql.exec(`DELETE FROM failures WHERE ${AMONG}`, jobs);
    }
  }

  /** @param tenant whose jobs; null: everybody's */
  counts(tenant: string | null): FailureCount[] {
    return this.#sql
      .exec<{ kind: string; state: Failure["state"]; count: number }>(
        `SELECT failure ->> '$.kind' AS kind, coalesce(failure ->> '$.state', 'retrying') AS state, count(*) AS count
         FROM failures WHERE ?1 IS NULL OR failure ->> '$.tenant' = ?1 GROUP BY 1, 2 ORDER BY 1, 2`,
        tenant,
      )
      .toArray();
  }

  /** Since when the job fails that has failed longest, ms since 1970; null if none does. */
  oldestAt(tenant: string | null): number | null {
    const { oldest } = this.#sql
      .exec<{ oldest: string | null }>(
        "SELECT min(failure ->> '$.firstFailedAt') AS oldest FROM failures WHERE ?1 IS NULL OR failure ->> '$.tenant' = ?1",
        tenant,
      )
      .one();
    return oldest === null ? null : Date.parse(oldest);
  }

  count(): number {
    return this.#sql.exec<{ count: number }>("SELECT count(*) AS count FROM failures").one().count;
  }

  #read(query: string, ...values: readonly SqlStorageValue[]): Failure[] {
    return this.#sql
      .exec<{ failure: string }>(query, ...values)
      .toArray()
      .map((row) => toFailure(JSON.parse(row.failure)));
  }
}

type StoredFailure = Omit<Failure, "state" | "firstError" | "lastError"> &
  Partial<Pick<Failure, "state" | "firstError" | "lastError">>;

/** What an earlier version noted tells one error alone. */
function toFailure(stored: StoredFailure): Failure {
  const { reason } = stored;
  return { state: "retrying", firstError: reason, lastError: reason, ...stored };
}
