import type { ListedOwner, Owners } from "./owners.ts";

export interface OwnersClient {
  /** Idempotent by token, as is forgetting. */
  note(tenant: string, owner: string, token: string): Promise<void>;
  forget(tenant: string, token: string): Promise<void>;
  /** Newest first, without the tenant itself. @param beforeRow null at the beginning */
  find(
    tenant: string,
    prefix: string,
    beforeRow: number | null,
    limit: number,
  ): Promise<{ owners: string[]; nextRow: number | null }>;
  /** In the order in which they came, the tenant itself among them. @param afterRow 0 at the beginning */
  list(tenant: string, afterRow: number, limit: number): Promise<ListedOwner[]>;
}

/** @param place tells the namespace in which a tenant's objects lie; without it they all lie in the one given */
export function createOwnersClient(
  namespace: DurableObjectNamespace<Owners>,
  place: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace> = async (same) => same,
): OwnersClient {
  const stubOf = async (tenant: string): Promise<DurableObjectStub<Owners>> =>
    (await place(namespace, tenant)).getByName(tenant) as DurableObjectStub<Owners>;
  return {
    note: async (tenant, owner, token) => (await stubOf(tenant)).note(tenant, owner, token),
    forget: async (tenant, token) => (await stubOf(tenant)).forget(token),
    find: async (tenant, prefix, beforeRow, limit) => (await stubOf(tenant)).find(prefix, beforeRow, limit),
    list: async (tenant, afterRow, limit) => (await stubOf(tenant)).list(afterRow, limit),
  };
}
