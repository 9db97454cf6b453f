import { DurableObject } from "cloudflare:workers";
import type { Failure } from "../contracts/job.ts";
import type { OperationRequest, OperationRun, RunStatus } from "../contracts/operation-run.ts";
import type { Jurisdiction, ListedTenant } from "../contracts/tenant.ts";
import type { UserRef } from "../contracts/user.ts";
import { OperationRuns, type RunNews, RUNS_SCHEMA } from "./operation-runs.ts";

/** Failures kept at most; the oldest go first. The truth of each job stays in its session object. */
const MAX_FAILURES = 10_000;

const OF_USER = "failure ->> '$.tenant' = ? AND failure ->> '$.owner' = ?";
const AMONG = "job_id IN (SELECT value FROM json_each(?))";

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  readonly jurisdiction: Jurisdiction | null;
  readonly created_at: number;
}

/** Indexes what fails across all sessions, and the tenants there are, for operators. One object for the deployment. */
export class Operations extends DurableObject {
  readonly #runs: OperationRuns;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS failures (
        job_id TEXT PRIMARY KEY,
        last_failed_at INTEGER NOT NULL,
        failure TEXT NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS failures_newest ON failures (last_failed_at, job_id);
      CREATE TABLE IF NOT EXISTS tenants (
        tenant TEXT PRIMARY KEY,
        jurisdiction TEXT,
        created_at INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS used_tenants (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
      ${RUNS_SCHEMA}
    `);
    this.#runs = new OperationRuns(ctx.storage.sql);
  }

  /** Idempotent by job: a later report of the same job takes the place of the earlier one. */
  async report(failure: Failure): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec(
        "INSERT OR REPLACE INTO failures (job_id, last_failed_at, failure) VALUES (?, ?, ?)",
        failure.jobId,
        Date.parse(failure.lastFailedAt),
        JSON.stringify(failure),
      );
      this.ctx.storage.sql.exec(
        `DELETE FROM failures WHERE job_id IN
           (SELECT job_id FROM failures ORDER BY last_failed_at DESC, job_id DESC LIMIT -1 OFFSET ?)`,
        MAX_FAILURES,
      );
    });
  }

  /** The job went well after all. */
  async clear(jobId: string): Promise<void> {
    this.ctx.storage.sql.exec("DELETE FROM failures WHERE job_id = ?", jobId);
  }

  /** Newest first. */
  async list(limit: number, after: { at: number; jobId: string } | null): Promise<Failure[]> {
    const from = after ?? { at: Number.MAX_SAFE_INTEGER, jobId: "" };
    return this.ctx.storage.sql
      .exec<{ failure: string }>(
        `SELECT failure FROM failures
         WHERE last_failed_at < ?1 OR (last_failed_at = ?1 AND job_id < ?2)
         ORDER BY last_failed_at DESC, job_id DESC LIMIT ?3`,
        from.at,
        from.jobId,
        limit,
      )
      .toArray()
      .map((row): Failure => JSON.parse(row.failure));
  }

  /** Of one user, newest first. */
  async listOfUser({ tenant, owner }: UserRef): Promise<Failure[]> {
    return this.ctx.storage.sql
      .exec<{ failure: string }>(
        `SELECT failure FROM failures WHERE ${OF_USER} ORDER BY last_failed_at DESC, job_id DESC`,
        tenant,
        owner,
      )
      .toArray()
      .map((row): Failure => JSON.parse(row.failure));
  }

  /** Idempotent. What was noted is overwritten first: a row that is only deleted stays in its page. */
  async clearUser({ tenant, owner }: UserRef): Promise<void> {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      const jobs = this.#jobsOf(tenant, owner);
      sql.exec(
        `UPDATE failures SET failure = printf('%*s', length(CAST(failure AS BLOB)), '') WHERE ${AMONG}`,
        JSON.stringify(jobs),
      );
      sql.exec(`DELETE FROM failures WHERE ${AMONG}`, JSON.stringify(jobs));
      this.#runs.forgetUser({ tenant, owner }, Date.now());
    });
  }

  async countOfUser({ tenant, owner }: UserRef): Promise<number> {
    return this.#jobsOf(tenant, owner).length;
  }

  #jobsOf(tenant: string, owner: string): string[] {
    return this.ctx.storage.sql
      .exec<{ job_id: string }>(`SELECT job_id FROM failures WHERE ${OF_USER}`, tenant, owner)
      .toArray()
      .map((row) => row.job_id);
  }

  async count(): Promise<number> {
    return this.ctx.storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM failures").one().count;
  }

  /** Idempotent. The truth of each tenant stays in its own object. */
  async noteTenant({ tenant, jurisdiction, createdAt }: ListedTenant): Promise<void> {
    this.ctx.storage.sql.exec(
      "INSERT OR REPLACE INTO tenants (tenant, jurisdiction, created_at) VALUES (?, ?, ?)",
      tenant,
      jurisdiction,
      Date.parse(createdAt),
    );
  }

  /** By name. */
  async listTenants(limit: number, after: string | null): Promise<ListedTenant[]> {
    return this.ctx.storage.sql
      .exec<TenantRow>("SELECT * FROM tenants WHERE tenant > ? ORDER BY tenant LIMIT ?", after ?? "", limit)
      .toArray()
      .map((row) => ({
        tenant: row.tenant,
        jurisdiction: row.jurisdiction,
        createdAt: new Date(row.created_at).toISOString(),
      }));
  }

  /** Idempotent. Somebody has sessions in the tenant, whether it was created or not. */
  async noteUse(tenant: string): Promise<void> {
    this.ctx.storage.sql.exec("INSERT OR IGNORE INTO used_tenants (tenant) VALUES (?)", tenant);
  }

  /** Every tenant that was created or used, by name. */
  async listTenantNames(limit: number, after: string): Promise<string[]> {
    return this.ctx.storage.sql
      .exec<{ tenant: string }>(
        `SELECT tenant FROM tenants WHERE tenant > ?1 UNION SELECT tenant FROM used_tenants WHERE tenant > ?1
         ORDER BY tenant LIMIT ?2`,
        after,
        limit,
      )
      .toArray()
      .map(({ tenant }) => tenant);
  }

  // Runs of operations: see OperationRuns

  async beginRun(
    id: string,
    request: OperationRequest,
    status: "queued" | "running",
  ): Promise<{ run: OperationRun; created: boolean }> {
    return this.ctx.storage.transactionSync(() => this.#runs.begin(id, request, status, Date.now()));
  }

  async progressRun(id: string, news: RunNews): Promise<RunStatus | null> {
    return this.#runs.progress(id, news, Date.now());
  }

  async finishRun(
    id: string,
    status: "complete" | "failed" | "cancelled",
    error: string | null,
  ): Promise<OperationRun | null> {
    return this.#runs.finish(id, status, error, Date.now());
  }

  async readRun(id: string): Promise<OperationRun | null> {
    return this.#runs.byId(id);
  }

  async listRuns(limit: number, after: { at: number; id: string } | null): Promise<OperationRun[]> {
    return this.#runs.list(limit, after);
  }
}
