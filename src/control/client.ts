import type { FailureFilter } from "../api/failed-job.ts";
import type { OperationsHealth } from "../api/health.ts";
import type { Failure, Outage } from "../api/job.ts";
import type { OperationRequest, OperationRun, RunStatus } from "../api/operation-run.ts";
import type { ListedTenant } from "../api/tenant.ts";
import type { UserRef } from "../api/user.ts";
import type { FailurePlace } from "./failed-jobs.ts";
import type { RunNews } from "./operation-runs.ts";
import type { Operations, OperationsStats } from "./operations.ts";

export interface OperationsClient {
  /** Idempotent by job. What fails in one batch comes in one call. */
  report(...failures: readonly Failure[]): Promise<void>;
  /** Deliveries that found a part of the service away: one entry of the list, which counts. */
  noteOutage(outage: Outage): Promise<void>;
  /** Null if the job is not on the list. */
  find(jobId: string): Promise<Failure | null>;
  clear(jobId: string): Promise<void>;
  /** Idempotent. */
  settleLate(jobId: string): Promise<void>;
  readHealth(): Promise<OperationsHealth>;
  /** Takes jobs off the list, but for those that failed again since they were read. */
  settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): Promise<void>;
  /** Newest first. */
  list(limit: number, after: FailurePlace | null, filter?: FailureFilter): Promise<Failure[]>;
  count(): Promise<number>;
  /** @param tenant what is about it; null: about all */
  stats(tenant: string | null): Promise<OperationsStats>;
  /** Idempotent. */
  clearUser(user: UserRef): Promise<void>;
  countOfUser(user: UserRef): Promise<number>;
  /** Idempotent. */
  noteTenant(tenant: ListedTenant): Promise<void>;
  /** By name. */
  listTenants(limit: number, after: string | null): Promise<ListedTenant[]>;
  /** Idempotent. */
  noteUse(tenant: string): Promise<void>;
  /** Created or used, by name. */
  listTenantNames(limit: number, after: string): Promise<string[]>;
  /** False if a link to the inspector was used before. */
  useSignIn(id: string, expiresAt: number): Promise<boolean>;
  readonly runs: OperationRunsClient;
}

/** The runs of operations. All but the list are idempotent. */
export interface OperationRunsClient {
  /** A run that is there is given back as it is, but for one that was queued and runs now. */
  begin(
    id: string,
    request: OperationRequest,
    status: "queued" | "running",
  ): Promise<{ run: OperationRun; created: boolean }>;
  /** Tells all that is known so far. @returns the run's status, null if nobody knows of it any more */
  progress(id: string, news: RunNews): Promise<RunStatus | null>;
  /** A run that ended stays as it is. Null if there is none. */
  finish(id: string, status: "complete" | "failed" | "cancelled", error: string | null): Promise<OperationRun | null>;
  read(id: string): Promise<OperationRun | null>;
  /** Newest first. */
  list(limit: number, after: { at: number; id: string } | null): Promise<OperationRun[]>;
}

export function createOperationsClient(namespace: DurableObjectNamespace<Operations>): OperationsClient {
  const stub = (): DurableObjectStub<Operations> => namespace.getByName("operations");
  return {
    report: (...failures) => stub().report(failures),
    noteOutage: (outage) => stub().noteOutage(outage),
    clear: (jobId) => stub().clear(jobId),
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
      progress: (id, news) => stub().progressRun(id, news),
      finish: (id, status, error) => stub().finishRun(id, status, error),
      read: (id) => stub().readRun(id),
      list: (limit, after) => stub().listRuns(limit, after),
    },
  };
}
