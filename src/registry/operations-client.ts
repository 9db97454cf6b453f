import type { FailureFilter } from "../contracts/failed-job.ts";
import type { Failure } from "../contracts/job.ts";
import type { ListedTenant } from "../contracts/tenant.ts";
import type { UserRef } from "../contracts/user.ts";
import type { FailurePlace } from "./failed-jobs.ts";
import type { Operations, OperationsStats } from "./operations.ts";

export interface OperationsClient {
  /** Idempotent by job. */
  report(failure: Failure): Promise<void>;
  /** Null if the job is not on the list. */
  find(jobId: string): Promise<Failure | null>;
  clear(jobId: string): Promise<void>;
  /** Takes jobs off the list, but for those that failed again since they were read. */
  settle(read: readonly Pick<Failure, "jobId" | "lastFailedAt">[]): Promise<void>;
  /** Newest first. */
  list(limit: number, after: FailurePlace | null, filter?: FailureFilter): Promise<Failure[]>;
  count(): Promise<number>;
  /** @param tenant what is about it; null: about all */
  stats(tenant: string | null): Promise<OperationsStats>;
  /** Newest first. */
  listOfUser(user: UserRef): Promise<Failure[]>;
  /** Idempotent. */
  clearUser(user: UserRef): Promise<void>;
  countOfUser(user: UserRef): Promise<number>;
  /** Idempotent. */
  noteTenant(tenant: ListedTenant): Promise<void>;
  /** By name. */
  listTenants(limit: number, after: string | null): Promise<ListedTenant[]>;
}

export function createOperationsClient(namespace: DurableObjectNamespace<Operations>): OperationsClient {
  const stub = (): DurableObjectStub<Operations> => namespace.getByName("operations");
  return {
    report: (failure) => stub().report(failure),
    clear: (jobId) => stub().clear(jobId),
    find: (jobId) => stub().find(jobId),
    settle: (read) => stub().settle(read.map(({ jobId, lastFailedAt }) => ({ jobId, lastFailedAt }))),
    list: (limit, after, filter = {}) => stub().list(limit, after, filter),
    count: () => stub().count(),
    stats: (tenant) => stub().stats(tenant),
    listOfUser: ({ tenant, owner }) => stub().listOfUser({ tenant, owner }),
    clearUser: ({ tenant, owner }) => stub().clearUser({ tenant, owner }),
    countOfUser: ({ tenant, owner }) => stub().countOfUser({ tenant, owner }),
    noteTenant: (tenant) => stub().noteTenant(tenant),
    listTenants: (limit, after) => stub().listTenants(limit, after),
  };
}
