/** Returns those of a tenant's key ids that are valid now. Idempotent. */
export type CheckKeys = (tenant: string, ids: readonly string[]) => Promise<readonly string[]>;

/** The method of a tenant's object that checks keys. */
export interface KeyCheckNamespace {
  getByName(tenant: string): { goodKeys(ids: readonly string[]): Promise<string[]> };
}

/** @param namespace called for each check, so that the binding is needed only if a key has to be checked */
export function createKeyChecks(namespace: () => KeyCheckNamespace): CheckKeys {
  return async (tenant, ids) => namespace().getByName(tenant).goodKeys(ids);
}
