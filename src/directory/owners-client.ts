import type { ListedOwner, Owners } from "./owners.ts";

/** The list of a tenant's owners: see `Owners`. */
export interface OwnersClient {
  /** Adds an owner, under a token with which it can be removed. Idempotent by token. */
  note(tenant: string, owner: string, token: string): Promise<void>;
  /** Removes an owner. Idempotent. */
  forget(tenant: string, token: string): Promise<void>;
  /**
   * Users whose name starts with `prefix`, newest first.
   * @param beforeRow the `nextRow` of the page before; null at the beginning
   */
  find(
    tenant: string,
    prefix: string,
    beforeRow: number | null,
    limit: number,
  ): Promise<{ owners: string[]; nextRow: number | null }>;
  /**
   * A page of all owners, oldest first, including the tenant itself.
   * @param afterRow the last `row` of the page before; 0 at the beginning
   */
  list(tenant: string, afterRow: number, limit: number): Promise<ListedOwner[]>;
}

/**
 * @param place returns the namespace for a tenant's jurisdiction; without it, all objects are in the given namespace
 */
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
