import type { FailureFilter } from "../api/failed-job.ts";
import type { OperationsHealth } from "../api/health.ts";
import type { Failure, Outage } from "../api/job.ts";
import type { OperationRequest, OperationRun, RunStatus } from "../api/operation-run.ts";
import type { ListedTenant } from "../api/tenant.ts";
import type { UserRef } from "../api/user.ts";
import type { FailurePlace } from "./failed-jobs.ts";
import type { RunUpdate } from "./operation-runs.ts";
import type { Operations, OperationsStats } from "./operations.ts";

/** The Operations object: failed jobs, late jobs, tenants, and runs of operations. */
export interface OperationsClient {
  /** Puts failed jobs on the list. Idempotent by job. All failures of a batch are reported in one call. */
  report(...failures: readonly Failure[]): Promise<void>;
  /**
   * Reports that a part of the service cannot be reached. All deliveries that fail for it are counted in one entry of
   * the list.
   */
  noteOutage(outage: Outage): Promise<void>;
  /** A job of the list; null if it is not on it. */
  find(jobId: string): Promise<Failure | null>;
  /** Removes a job from the list of failed and of late jobs, because it made progress. Idempotent. */
  clear(jobId: string): Promise<void>;
  /** The same for a job that is over: reports of it that arrive later change nothing. Idempotent. */
  end(jobId: string): Promise<void>;
  /** Removes a job from the list of late jobs. Idempotent. */
  settleLate(jobId: string): Promise<void>;
  /** How many jobs keep failing, how many tenants are over budget, and how old the oldest late job is. */
  readHealth(): Promise<OperationsHealth>;
  /** Removes jobs from the list, except for those that failed again after they were read. */
  settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): Promise<void>;
  /** A page of the failed jobs that match the filter, last failure first. */
  list(limit: number, after: FailurePlace | null, filter?: FailureFilter): Promise<Failure[]>;
  /** How many failed jobs are on the list. */
  count(): Promise<number>;
  /** Numbers for operators. @param tenant counts only this tenant's; null: all */
  stats(tenant: string | null): Promise<OperationsStats>;
  /** Deletes a user's failed jobs, and removes the user from the reports of runs. Idempotent. */
  clearUser(user: UserRef): Promise<void>;
  /** How many failed jobs a user has on the list. */
  countOfUser(user: UserRef): Promise<number>;
  /** Adds a tenant that was created to the list of tenants. Idempotent. */
  noteTenant(tenant: ListedTenant): Promise<void>;
  /** A page of the tenants that were created, by name. */
  listTenants(limit: number, after: string | null): Promise<ListedTenant[]>;
  /** Records that a tenant has sessions, whether it was created or not. Idempotent. */
  noteUse(tenant: string): Promise<void>;
  /** A page of all tenants that were created or used, by name. */
  listTenantNames(limit: number, after: string): Promise<string[]>;
  /** Uses up a sign-in link. Returns false if it was used before. */
  useSignIn(id: string, expiresAt: number): Promise<boolean>;
  readonly runs: OperationRunsClient;
}

/** The runs of operations. All methods are idempotent. */
interface OperationRunsClient {
  /** Adds a run. If it exists already it is returned as it is, except that a queued one becomes running. */
  begin(
    id: string,
    request: OperationRequest,
    status: "queued" | "running",
  ): Promise<{ run: OperationRun; created: boolean }>;
  /**
   * Saves the progress and report of a run, each as a whole.
   * @returns the run's status; null if there is no such run
   */
  progress(id: string, update: RunUpdate): Promise<RunStatus | null>;
  /** Ends a run. A run that has ended stays as it is. Null if there is no such run. */
  finish(id: string, status: "complete" | "failed" | "cancelled", error: string | null): Promise<OperationRun | null>;
  read(id: string): Promise<OperationRun | null>;
  /** A page of the runs, newest first. */
  list(limit: number, after: { at: number; id: string } | null): Promise<OperationRun[]>;
}

/** Creates a client for the deployment's Operations object. Its methods reject if the object cannot be reached. */
export function createOperationsClient(namespace: DurableObjectNamespace<Operations>): OperationsClient {
  const stub = (): DurableObjectStub<Operations> => namespace.getByName("operations");
  return {
    report: (...failures) => stub().report(failures),
    noteOutage: (outage) => stub().noteOutage(outage),
    clear: (jobId) => stub().clear(jobId),
    end: (jobId) => stub().end(jobId),
    settleLate: (jobId) => stub().settleLate(jobId),
    readHealth: () => stub().readHealth(),
    find: (jobId) => stub().find(jobId),
    settle: (read) => stub().settle(read.map(({ jobId, lastFailedAt }) => ({ jobId, lastFailedAt }))),
    list: (limit, after, filter = {}) => stub().list(limit, after, filter),
    count: () => stub().count(),
    stats: (tenant) => stub().stats(tenant),
    async clearUser({ tenant, owner }) {
      let next: { readonly runsAfter: string | null } | null = { runsAfter: "" };
      while (next !== null) next = await stub().clearUser({ tenant, owner }, next.runsAfter);
    },
    async countOfUser({ tenant, owner }) {
      let count = 0;
      for (let after: FailurePlace | null = null; ;) {
        const page: { count: number; next: FailurePlace | null } = await stub().countOfUser({ tenant, owner }, after);
        count += page.count;
        after = page.next;
        if (after === null) return count;
      }
    },
    noteTenant: (tenant) => stub().noteTenant(tenant),
    listTenants: (limit, after) => stub().listTenants(limit, after),
    noteUse: (tenant) => stub().noteUse(tenant),
    listTenantNames: (limit, after) => stub().listTenantNames(limit, after),
    useSignIn: (id, expiresAt) => stub().useSignIn(id, expiresAt),
    runs: {
      begin: (id, request, status) => stub().beginRun(id, request, status),
      progress: (id, update) => stub().progressRun(id, update),
      finish: (id, status, error) => stub().finishRun(id, status, error),
      read: (id) => stub().readRun(id),
      list: (limit, after) => stub().listRuns(limit, after),
    },
  };
}
