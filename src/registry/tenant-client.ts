import type { SummarizerUsage } from "../contracts/summarizer.ts";
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
  /** Counts what a model took. Other isolates know within half a minute that the budget is used up. */
  spend(tenant: string, usage: SummarizerUsage): Promise<void>;
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
    async spend(tenant, usage) {
      cache.keep(tenant, settingsOf(await stub(tenant).spend(usage)));
    },
  };
}

function settingsOf(record: TenantRecord): TenantSettings {
  const { rev, settings, summarization, summarizerTokensPerDay, spentToday, limits = {} } = record;
  const spent = spentToday.inputTokens + spentToday.outputTokens;
  return {
    rev,
    settings,
    summarization,
    isOverBudget: summarizerTokensPerDay !== null && spent >= summarizerTokensPerDay,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}
