import { DurableObject } from "cloudflare:workers";
import type { FailureCount, FailureFilter } from "../contracts/failed-job.ts";
import type { Failure } from "../contracts/job.ts";
import type { Jurisdiction, ListedTenant } from "../contracts/tenant.ts";
import type { UserRef } from "../contracts/user.ts";
import { FailedJobs, FAILURES_SCHEMA, type FailurePlace } from "./failed-jobs.ts";

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  readonly jurisdiction: Jurisdiction | null;
  readonly created_at: number;
}

/** How things stand. */
export interface OperationsStats {
  readonly failed: FailureCount[];
  /** Since when the job fails that has failed longest, ms since 1970; null if none does. */
  readonly oldestFailedAt: number | null;
  readonly tenants: number;
}

/** Indexes what fails across all sessions, and the tenants there are, for operators. One object for the deployment. */
export class Operations extends DurableObject {
  readonly #failures: FailedJobs;

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
    `);
  }

  /** Idempotent by job: a later report of the same job takes the place of the earlier one. */
  async report(failure: Failure): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#failures.put(failure));
  }

  /** Null if the job is not on the list. */
  async find(jobId: string): Promise<Failure | null> {
    return this.#failures.byId(jobId);
  }

  /** The job went well after all. */
  async clear(jobId: string): Promise<void> {
    this.#failures.delete(jobId);
  }

  /** An operator saw to these jobs. One that failed again since it was read stays. */
  async settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#failures.settle(read));
  }

  /** Newest first. */
  async list(limit: number, after: FailurePlace | null, filter?: FailureFilter): Promise<Failure[]> {
    return this.#failures.list(limit, after, filter);
  }

  /** Of one user, newest first. */
  async listOfUser(user: UserRef): Promise<Failure[]> {
    return this.#failures.ofUser(user);
  }

  /** Idempotent. */
  async clearUser(user: UserRef): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#failures.deleteOfUser(user));
  }

  async countOfUser(user: UserRef): Promise<number> {
    return this.#failures.ofUser(user).length;
  }

  async count(): Promise<number> {
    return this.#failures.count();
  }

  /** @param tenant what is about it; null: about all */
  async stats(tenant: string | null): Promise<OperationsStats> {
    return {
      failed: this.#failures.counts(tenant),
      oldestFailedAt: this.#failures.oldestAt(tenant),
      tenants: this.ctx.storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM tenants").one().count,
    };
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
}
