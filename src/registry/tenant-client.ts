import type { TenantPatch, TenantSettings } from "../contracts/tenant.ts";
import { createTenantCache, type TenantCacheOptions } from "./tenant-cache.ts";
import type { Tenant, TenantRecord } from "./tenant.ts";

export interface TenantClient {
  /** What the tenant's sessions go by, up to half a minute old. Never rejects, and seldom waits. */
  read(tenant: string): Promise<TenantSettings>;
  /** What the tenant's object holds now. */
  readRecord(tenant: string): Promise<TenantRecord>;
  /** Idempotent. This isolate goes by it at once, others within half a minute. */
  update(tenant: string, patch: TenantPatch): Promise<TenantRecord>;
}

export function createTenantClient(
  namespace: DurableObjectNamespace<Tenant>,
  options: Omit<TenantCacheOptions, "load">,
): TenantClient {
  const stub = (tenant: string): DurableObjectStub<Tenant> => namespace.getByName(tenant);
  const cache = createTenantCache({ ...options, load: async (tenant) => settingsOf(await stub(tenant).read()) });
  return {
    read: (tenant) => cache.read(tenant),
    readRecord: (tenant) => stub(tenant).read(),
    async update(tenant, patch) {
      const record = await stub(tenant).update(patch);
      cache.keep(tenant, settingsOf(record));
      return record;
    },
  };
}

function settingsOf({ rev, settings, summarization }: TenantRecord): TenantSettings {
  return { rev, settings, summarization };
}
