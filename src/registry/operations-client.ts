import type { Failure } from "../contracts/job.ts";
import type { ListedTenant } from "../contracts/tenant.ts";
import type { Operations } from "./operations.ts";

export interface OperationsClient {
  /** Idempotent by job. */
  report(failure: Failure): Promise<void>;
  clear(jobId: string): Promise<void>;
  list(limit: number, after: { at: number; jobId: string } | null): Promise<Failure[]>;
  count(): Promise<number>;
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
    list: (limit, after) => stub().list(limit, after),
    count: () => stub().count(),
    noteTenant: (tenant) => stub().noteTenant(tenant),
    listTenants: (limit, after) => stub().listTenants(limit, after),
  };
}
