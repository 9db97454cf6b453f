import { createHash } from "node:crypto";
import type { FailureCount, FailureFilter } from "../api/failed-job.ts";
import { OVER_BUDGET_REASON } from "../api/health.ts";
import type { Failure } from "../api/job.ts";
import type { UserRef } from "../api/user.ts";

/**
 * All SQL statements for the list of failed jobs. A deployment has one list, and it is longest during an outage, when
 * it matters most. So no call gets more expensive when the list is full: totals are updated as jobs come and go, and
 * each combination of filters has an index.
 */

/**
 * How many failed jobs are listed. Those whose last failure is oldest are dropped first. The job itself stays in its
 * session's object.
 */
const MAX_FAILURES = 10_000;
/** How long a job that is over is remembered, in ms: longer than a report of it can be late. */
const ENDED_KEPT_MS = 3_600_000;
/** How many jobs that ended long ago are forgotten in one call. */
const FORGOTTEN_AT_ONCE = 10;
/** How many jobs of a user are counted or deleted in one call: each is a row with its index entries. */
const OF_USER_AT_ONCE = 40;
/**
 * How many combinations of kind and state are returned. That is more than exist, but malformed queue messages may name
 * any kind.
 */
const MAX_COUNTS = 80;

/** The last job of a page. */
export interface FailurePlace {
  /** When the job last failed, in ms since 1970. */
  readonly at: number;
  readonly jobId: string;
}

/** The columns that a filter may use, in any combination. */
const FILTERED = ["tenant", "owner_key", "session_key", "kind"] as const;
type Filtered = (typeof FILTERED)[number];

/** One index for each combination, in the order of the list, so that a page reads only the rows that it returns. */
const SETS: readonly (readonly Filtered[])[] = Array.from({ length: 2 ** FILTERED.length }, (_, set) =>
  FILTERED.filter((_name, at) => (set & (2 ** at)) !== 0),
);

function indexOf(columns: readonly Filtered[]): string {
  return ["failures", ...(columns.length === 0 ? ["newest"] : columns)].join("_");
}

const NEWEST = indexOf([]);

export const FAILURES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS failures (
    job_id TEXT PRIMARY KEY,
    first_failed_at INTEGER NOT NULL,
    last_failed_at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    owner_key INTEGER NOT NULL,
    session_key INTEGER NOT NULL,
    kind TEXT NOT NULL,
    failure TEXT NOT NULL
  ) WITHOUT ROWID;
  ${SETS.map((set) => `CREATE INDEX IF NOT EXISTS ${indexOf(set)} ON failures (${[...set, "last_failed_at", "job_id"].join(", ")});`).join("\n  ")}
  CREATE INDEX IF NOT EXISTS failures_oldest ON failures (first_failed_at);
  CREATE INDEX IF NOT EXISTS failures_tenant_oldest ON failures (tenant, first_failed_at);
  CREATE TABLE IF NOT EXISTS failure_tallies (
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, kind, state)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS ended_jobs (job_id TEXT PRIMARY KEY, ended_at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ended_jobs_at ON ended_jobs (ended_at);
`;

/** Scopes of totals. The scopes of tenants begin with `=` or `~`, so that no tenant's name can collide with these. */
const EVERYTHING = "all";
const LISTED = "listed";
const FAILING = "failing";
const TENANTS_OVER_BUDGET = "tenants over budget";
const scopeOf = (tenant: string): string => `=${tenant}`;
const budgetScopeOf = (tenant: string): string => `~${tenant}`;

/**
 * A 32-bit hash that stands for a name in an index. The content of a deleted index entry stays in its page, where no
 * name may remain. Many names share a hash, so it identifies nobody; queries compare the name as well.
 */
function keyOf(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE();
}

/** The list of failed jobs. The caller runs changes in a transaction. */
export class FailedJobs {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Adds a failed job, or replaces an earlier report of it. The first error and its time are kept. A report that arrives
   * after the job ended changes nothing.
   */
  put(failure: Failure): void {
    if (this.#hasEnded(failure.jobId)) return;
    const before = this.byId(failure.jobId);
    const isOlder = before !== null && before.firstFailedAt < failure.firstFailedAt;
    const { firstError, firstFailedAt } = isOlder ? before : failure;
    const after: Failure = { ...failure, firstError, firstFailedAt };
    this.#sql.exec(
      `INSERT OR REPLACE INTO failures (job_id, first_failed_at, last_failed_at, tenant, owner_key, session_key, kind, failure)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      after.jobId,
      Date.parse(after.firstFailedAt),
      Date.parse(after.lastFailedAt),
      after.tenant,
      keyOf(after.owner),
      keyOf(after.session),
      after.kind,
      JSON.stringify(after),
    );
    if (before === null || !countsTheSame(before, after)) {
      if (before !== null) this.#addToTotals(before, -1);
      this.#addToTotals(after, 1);
    }
    while (this.count() > MAX_FAILURES) this.#deleteOldest();
  }

  byId(jobId: string): Failure | null {
    return this.#read("SELECT failure FROM failures WHERE job_id = ?", jobId)[0] ?? null;
  }

  delete(jobId: string): void {
    const failure = this.byId(jobId);
    if (failure === null) return;
    this.#sql.exec("DELETE FROM failures WHERE job_id = ?", jobId);
    this.#addToTotals(failure, -1);
  }

  /**
   * Removes a job that is over. It is remembered for an hour: a consumer may report a failure of another's job, stop
   * before it learns that this job has ended, and so leave an entry that nobody would remove.
   */
  end(jobId: string, now: number): void {
    this.delete(jobId);
    this.#sql.exec("INSERT OR REPLACE INTO ended_jobs (job_id, ended_at) VALUES (?, ?)", jobId, now);
    this.#sql.exec(
      "DELETE FROM ended_jobs WHERE job_id IN (SELECT job_id FROM ended_jobs WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
      now - ENDED_KEPT_MS,
      FORGOTTEN_AT_ONCE,
    );
  }

  #hasEnded(jobId: string): boolean {
    return this.#sql.exec("SELECT 1 FROM ended_jobs WHERE job_id = ?", jobId).toArray().length > 0;
  }

  /** Removes jobs from the list, except for those that failed again after they were read. */
  settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): void {
    for (const { jobId, lastFailedAt } of read) {
      const listed = this.byId(jobId);
      if (listed !== null && Date.parse(listed.lastFailedAt) <= Date.parse(lastFailedAt)) this.delete(jobId);
    }
  }

  /** A page of the failed jobs that match the filter, last failure first. */
  list(limit: number, after: FailurePlace | null, filter: FailureFilter = {}): Failure[] {
    const from = after ?? { at: Number.MAX_SAFE_INTEGER, jobId: "" };
    const { tenant, user, session, kind } = filter;
    const asked: Partial<Record<Filtered, SqlStorageValue>> = {
      ...(tenant === undefined ? {} : { tenant }),
      ...(user === undefined ? {} : { owner_key: keyOf(user) }),
      ...(session === undefined ? {} : { session_key: keyOf(session) }),
      ...(kind === undefined ? {} : { kind }),
    };
    const columns = FILTERED.filter((column) => column in asked);
    const names = [
      ["owner", user],
      ["session", session],
    ] as const;
    const compared = names.filter(([, name]) => name !== undefined);
    return this.#read(
      `SELECT failure FROM failures INDEXED BY ${indexOf(columns)}
       WHERE (last_failed_at, job_id) < (?, ?)
         ${[...columns.map((column) => `AND ${column} = ?`), ...compared.map(([field]) => `AND failure ->> '$.${field}' = ?`)].join(" ")}
       ORDER BY last_failed_at DESC, job_id DESC LIMIT ?`,
      from.at,
      from.jobId,
      ...columns.map((column) => asked[column] ?? null),
      ...compared.map(([, name]) => name ?? null),
      limit,
    );
  }

  /**
   * Counts one page of a user's jobs.
   * @returns where the next page begins; null if there is none
   */
  countOfUser({ tenant, owner }: UserRef, after: FailurePlace | null): { count: number; next: FailurePlace | null } {
    const page = this.list(OF_USER_AT_ONCE, after, { tenant, user: owner });
    const last = page.at(-1);
    const isMore = last !== undefined && page.length === OF_USER_AT_ONCE;
    return { count: page.length, next: isMore ? { at: Date.parse(last.lastFailedAt), jobId: last.jobId } : null };
  }

  /**
   * Deletes one page of a user's jobs. They are overwritten first, because the content of a deleted row stays in its
   * page.
   * @returns whether there may be more
   */
  deleteOfUser({ tenant, owner }: UserRef): boolean {
    const page = this.list(OF_USER_AT_ONCE, null, { tenant, user: owner });
    for (const { jobId } of page) {
      const failure = this.byId(jobId);
      if (failure === null) continue;
      this.#sql.exec(
        "UPDATE failures SET failure = printf('%*s', length(CAST(failure AS BLOB)), '') WHERE job_id = ?",
        jobId,
      );
      this.#sql.exec("DELETE FROM failures WHERE job_id = ?", jobId);
      this.#addToTotals(failure, -1);
    }
    return page.length === OF_USER_AT_ONCE;
  }

  /**
   * How many jobs failed, by kind and state.
   * @param tenant counts only this tenant's; null: all
   */
  counts(tenant: string | null): FailureCount[] {
    return this.#sql
      .exec<{ kind: string; state: Failure["state"]; count: number }>(
        "SELECT kind, state, count FROM failure_tallies WHERE scope = ? ORDER BY kind, state LIMIT ?",
        tenant === null ? EVERYTHING : scopeOf(tenant),
        MAX_COUNTS,
      )
      .toArray();
  }

  /** When the job that has been failing longest first failed, in ms since 1970; null if none is failing. */
  oldestAt(tenant: string | null): number | null {
    const query =
      tenant === null
        ? "SELECT first_failed_at AS at FROM failures INDEXED BY failures_oldest ORDER BY first_failed_at LIMIT 1"
        : "SELECT first_failed_at AS at FROM failures INDEXED BY failures_tenant_oldest WHERE tenant = ? ORDER BY first_failed_at LIMIT 1";
    const [oldest] = this.#sql.exec<{ at: number }>(query, ...(tenant === null ? [] : [tenant])).toArray();
    return oldest?.at ?? null;
  }

  /** How many jobs are on the list. */
  count(): number {
    return this.#tally(LISTED);
  }

  /**
   * How many jobs keep failing. Summaries that wait because their tenant's daily budget is used up are not among them;
   * their tenants are counted, each once.
   */
  health(): { failedJobs: number; tenantsOverBudget: number } {
    return { failedJobs: this.#tally(FAILING), tenantsOverBudget: this.#tally(TENANTS_OVER_BUDGET) };
  }

  #deleteOldest(): void {
    const [oldest] = this.#sql
      .exec<{ job_id: string }>(
        `SELECT job_id FROM failures INDEXED BY ${NEWEST} ORDER BY last_failed_at, job_id LIMIT 1`,
      )
      .toArray();
    if (oldest === undefined) throw new Error("more failed jobs are counted than there are");
    this.delete(oldest.job_id);
  }

  #addToTotals(failure: Failure, by: 1 | -1): void {
    const { tenant, kind, state } = failure;
    this.#add(LISTED, by);
    this.#add(EVERYTHING, by, kind, state);
    this.#add(scopeOf(tenant), by, kind, state);
    if (failure.reason !== OVER_BUDGET_REASON) {
      this.#add(FAILING, by);
      return;
    }
    this.#add(budgetScopeOf(tenant), by);
    // This was the tenant's first such job, or its last.
    if (this.#tally(budgetScopeOf(tenant)) === (by === 1 ? 1 : 0)) this.#add(TENANTS_OVER_BUDGET, by);
  }

  #add(scope: string, by: 1 | -1, kind = "", state = ""): void {
    this.#sql.exec(
      `INSERT INTO failure_tallies (scope, kind, state, count) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET count = count + excluded.count`,
      scope,
      kind,
      state,
      by,
    );
    if (by < 0) {
      this.#sql.exec(
        "DELETE FROM failure_tallies WHERE scope = ? AND kind = ? AND state = ? AND count = 0",
        scope,
        kind,
        state,
      );
    }
  }

  #tally(scope: string): number {
    const [row] = this.#sql
      .exec<{ count: number }>("SELECT count FROM failure_tallies WHERE scope = ? AND kind = '' AND state = ''", scope)
      .toArray();
    return row?.count ?? 0;
  }

  #read(query: string, ...values: readonly SqlStorageValue[]): Failure[] {
    return this.#sql
      .exec<{ failure: string }>(query, ...values)
      .toArray()
      .map((row): Failure => JSON.parse(row.failure));
  }
}

function countsTheSame(one: Failure, other: Failure): boolean {
  const waits = ({ reason }: Failure): boolean => reason === OVER_BUDGET_REASON;
  return (
    one.tenant === other.tenant && one.kind === other.kind && one.state === other.state && waits(one) === waits(other)
  );
}
