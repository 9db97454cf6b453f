/** Tells which of a tenant's keys are good at this moment. Idempotent. */
export type CheckKeys = (tenant: string, ids: readonly string[]) => Promise<readonly string[]>;

/** The part of the tenants' objects that knows their keys. */
export interface KeyCheckNamespace {
  getByName(tenant: string): { goodKeys(ids: readonly string[]): Promise<string[]> };
}

/** @param namespace read with each call, so that an object needs it only where a key has to be checked */
export function createKeyChecks(namespace: () => KeyCheckNamespace): CheckKeys {
  return async (tenant, ids) => namespace().getByName(tenant).goodKeys(ids);
}
