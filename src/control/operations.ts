import { DurableObject } from "cloudflare:workers";
import type { AlertBook, AlertNotice, PendingNotice } from "../api/alert.ts";
import type { FailureCount, FailureFilter } from "../api/failed-job.ts";
import type { OperationsHealth } from "../api/health.ts";
import { ARCHIVE_AWAY_ID, asFailure, type Failure, type Outage } from "../api/job.ts";
import type { OperationRequest, OperationRun, RunStatus, RunTally } from "../api/operation-run.ts";
import type { Jurisdiction, ListedTenant } from "../api/tenant.ts";
import type { UserRef } from "../api/user.ts";
import { AlertStore } from "./alert-store.ts";
import { FailedJobs, FAILURES_SCHEMA, type FailurePlace } from "./failed-jobs.ts";
import type { LateWork } from "./late-work-client.ts";
import { LateWorkStore } from "./late-work-store.ts";
import { OperationRuns, type RunUpdate, RUNS_SCHEMA } from "./operation-runs.ts";

/**
 * An outage that was not reported again for this many ms is over: jobs that wait for PostgreSQL try it every two
 * minutes.
 */
const OUTAGE_KEPT_MS = 900_000;

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  readonly jurisdiction: Jurisdiction | null;
  readonly created_at: number;
}

/** Numbers for operators. */
export interface OperationsStats {
  readonly failed: FailureCount[];
  /** When the job that has been failing longest first failed, in ms since 1970; null if none is failing. */
  readonly oldestFailedAt: number | null;
  readonly tenants: number;
  /** Empty if a tenant is given: only operators start operations. */
  readonly runs: readonly RunTally[];
}

/**
 * The one object of a deployment for operators: failed and late jobs of all sessions, alerts, tenants, and runs of
 * operations.
 */
export class Operations extends DurableObject {
  readonly #late: LateWorkStore;
  readonly #alerts: AlertStore;
  readonly #failures: FailedJobs;
  readonly #runs: OperationRuns;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#failures = new FailedJobs(ctx.storage.sql);
    ctx.storage.sql.exec(`
      ${FAILURES_SCHEMA}
      CREATE TABLE IF NOT EXISTS tenants (
        tenant TEXT PRIMARY KEY,
        jurisdiction TEXT,
        created_at INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS tenant_count (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS used_tenants (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS used_sign_ins (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
      ${RUNS_SCHEMA}
    `);
    this.#late = new LateWorkStore(ctx.storage.sql);
    this.#alerts = new AlertStore(ctx.storage);
    this.#runs = new OperationRuns(ctx.storage.sql);
  }

  /** Puts the failed jobs of a batch on the list. A later report of a job replaces the earlier one. Idempotent. */
  async report(failures: readonly Failure[]): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      for (const failure of failures) this.#failures.put(failure);
    });
  }

  /**
   * Reports that a part of the service cannot be reached. Many sessions wait for it, so it is one entry, which counts
   * their deliveries.
   */
  async noteOutage(outage: Outage): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#failures.put(asFailure(outage, this.#failures.byId(outage.id))));
  }

  /** A job of the list; null if it is not on it. */
  async find(jobId: string): Promise<Failure | null> {
    return this.#failures.byId(jobId);
  }

  /** Removes a job that is over from both lists. Later reports of it change nothing. */
  async end(jobId: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#failures.end(jobId, Date.now());
      this.#late.settle(jobId);
    });
  }

  /** Removes a job that made progress from both lists. It may fail again. */
  async clear(jobId: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#failures.delete(jobId);
      this.#late.settle(jobId);
    });
  }

  /** Records a late job. If it is not reported again for a while, it is dropped. Idempotent by job. */
  async noteLate(work: LateWork): Promise<void> {
    this.#late.note(work, Date.now());
  }

  /**
   * Removes an outage that was not reported for a while. Normally its end is reported, but that call may have failed,
   * or a late report may have followed it.
   */
  #forgetOutage(now: number): void {
    const outage = this.#failures.byId(ARCHIVE_AWAY_ID);
    if (outage === null || Date.parse(outage.lastFailedAt) > now - OUTAGE_KEPT_MS) return;
    this.ctx.storage.transactionSync(() => this.#failures.delete(ARCHIVE_AWAY_ID));
  }

  async settleLate(jobId: string): Promise<void> {
    this.#late.settle(jobId);
  }

  async readHealth(): Promise<OperationsHealth> {
    const now = Date.now();
    this.#forgetOutage(now);
    return { ...this.#failures.health(), oldestScheduledAt: this.#late.oldestScheduledAt(now) };
  }

  /** Removes jobs that an operator has dealt with. A job that failed again after it was read stays. */
  async settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#failures.settle(read));
  }

  /** A page of the failed jobs, last failure first. */
  async list(limit: number, after: FailurePlace | null, filter?: FailureFilter): Promise<Failure[]> {
    return this.#failures.list(limit, after, filter);
  }

  /**
   * Deletes one page of what is stored about a user. Idempotent.
   * @param runsAfter the run after which to continue; "" at the beginning, null once all runs are done
   * @returns what to pass to the next call; null if nothing is left
   */
  async clearUser(user: UserRef, runsAfter: string | null): Promise<{ readonly runsAfter: string | null } | null> {
    return this.ctx.storage.transactionSync(() => {
      const isMore = this.#failures.deleteOfUser(user);
      const next = runsAfter === null ? null : this.#runs.forgetUser(user, runsAfter, Date.now());
      return isMore || next !== null ? { runsAfter: next } : null;
    });
  }

  /** Counts one page of a user's failed jobs. */
  async countOfUser(
    user: UserRef,
    after: FailurePlace | null,
  ): Promise<{ readonly count: number; readonly next: FailurePlace | null }> {
    return this.#failures.countOfUser(user, after);
  }

  async count(): Promise<number> {
    return this.#failures.count();
  }

  async readAlertBook(): Promise<AlertBook> {
    return this.#alerts.readBook();
  }

  async saveAlertBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean> {
    return this.#alerts.saveBook(book, notices, Date.now());
  }

  async takeNotices(limit: number): Promise<PendingNotice[]> {
    return this.#alerts.takeNotices(limit, Date.now());
  }

  async settleNotice(id: string): Promise<void> {
    this.#alerts.settleNotice(id);
  }

  async countNotices(): Promise<number> {
    return this.#alerts.countPending();
  }

  /**
   * Numbers for operators.
   * @param tenant counts only this tenant's; null: all
   */
  async stats(tenant: string | null): Promise<OperationsStats> {
    return {
      failed: this.#failures.counts(tenant),
      oldestFailedAt: this.#failures.oldestAt(tenant),
      tenants: this.ctx.storage.sql.exec<{ count: number }>("SELECT count FROM tenant_count").toArray()[0]?.count ?? 0,
      runs: tenant === null ? this.#runs.tallies() : [],
    };
  }

  /** Adds a tenant to the list. Its settings stay in its own object. Idempotent. */
  async noteTenant({ tenant, jurisdiction, createdAt }: ListedTenant): Promise<void> {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      const isNew = sql.exec("SELECT 1 FROM tenants WHERE tenant = ?", tenant).toArray().length === 0;
      sql.exec(
        "INSERT OR REPLACE INTO tenants (tenant, jurisdiction, created_at) VALUES (?, ?, ?)",
        tenant,
        jurisdiction,
        Date.parse(createdAt),
      );
      if (!isNew) return;
      sql.exec(
        "INSERT INTO tenant_count (one, count) VALUES (1, 1) ON CONFLICT DO UPDATE SET count = count + excluded.count",
      );
    });
  }

  /** A page of the tenants that were created, by name. */
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

  /** Records that a tenant has sessions, whether it was created or not. Idempotent. */
  async noteUse(tenant: string): Promise<void> {
    this.ctx.storage.sql.exec("INSERT OR IGNORE INTO used_tenants (tenant) VALUES (?)", tenant);
  }

  /** A page of all tenants that were created or used, by name. */
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

  /** Uses up a sign-in link. Returns false if it was used before. Expired links are refused before this is called. */
  async useSignIn(id: string, expiresAt: number): Promise<boolean> {
    const { sql } = this.ctx.storage;
    sql.exec("DELETE FROM used_sign_ins WHERE expires_at <= ?", Date.now());
    return (
      sql.exec("INSERT OR IGNORE INTO used_sign_ins (id, expires_at) VALUES (?, ?)", id, expiresAt).rowsWritten > 0
    );
  }

  // Runs of operations: see OperationRuns

  async beginRun(
    id: string,
    request: OperationRequest,
    status: "queued" | "running",
  ): Promise<{ run: OperationRun; created: boolean }> {
    return this.ctx.storage.transactionSync(() => this.#runs.begin(id, request, status, Date.now()));
  }

  async progressRun(id: string, update: RunUpdate): Promise<RunStatus | null> {
    return this.ctx.storage.transactionSync(() => this.#runs.progress(id, update, Date.now()));
  }

  async finishRun(
    id: string,
    status: "complete" | "failed" | "cancelled",
    error: string | null,
  ): Promise<OperationRun | null> {
    return this.ctx.storage.transactionSync(() => this.#runs.finish(id, status, error, Date.now()));
  }

  async readRun(id: string): Promise<OperationRun | null> {
    return this.#runs.byId(id);
  }

  async listRuns(limit: number, after: { at: number; id: string } | null): Promise<OperationRun[]> {
    return this.#runs.list(limit, after);
  }
}
