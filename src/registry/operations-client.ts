import type { Failure } from "../contracts/job.ts";
import type { OperationRequest, OperationRun, RunStatus } from "../contracts/operation-run.ts";
import type { ListedTenant } from "../contracts/tenant.ts";
import type { UserRef } from "../contracts/user.ts";
import type { RunNews } from "./operation-runs.ts";
import type { Operations } from "./operations.ts";

export interface OperationsClient {
  /** Idempotent by job. */
  report(failure: Failure): Promise<void>;
  clear(jobId: string): Promise<void>;
  list(limit: number, after: { at: number; jobId: string } | null): Promise<Failure[]>;
  count(): Promise<number>;
  /** Newest first. */
  listOfUser(user: UserRef): Promise<Failure[]>;
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
    report: (failure) => stub().report(failure),
    clear: (jobId) => stub().clear(jobId),
    list: (limit, after) => stub().list(limit, after),
    count: () => stub().count(),
    listOfUser: ({ tenant, owner }) => stub().listOfUser({ tenant, owner }),
    clearUser: ({ tenant, owner }) => stub().clearUser({ tenant, owner }),
    countOfUser: ({ tenant, owner }) => stub().countOfUser({ tenant, owner }),
    noteTenant: (tenant) => stub().noteTenant(tenant),
    listTenants: (limit, after) => stub().listTenants(limit, after),
    noteUse: (tenant) => stub().noteUse(tenant),
    listTenantNames: (limit, after) => stub().listTenantNames(limit, after),
    runs: {
      begin: (id, request, status) => stub().beginRun(id, request, status),
      progress: (id, news) => stub().progressRun(id, news),
      finish: (id, status, error) => stub().finishRun(id, status, error),
      read: (id) => stub().readRun(id),
      list: (limit, after) => stub().listRuns(limit, after),
    },
  };
}
