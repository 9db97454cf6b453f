import { requireScope } from "../access/scopes.ts";
import { resolveSettings } from "../contracts/session.ts";
import type { TenantPatch, TenantState } from "../contracts/tenant.ts";
import type { Call } from "./call.ts";

/** What a tenant sets for its sessions; one that set nothing has the defaults. */
export async function readTenant(call: Call, tenant: string): Promise<TenantState> {
  requireScope(call.principal, "admin");
  return stateOf(tenant, await call.parts.tenants.readRecord(tenant));
}

/** Replaces settings, summarization or both. */
export async function updateTenant(call: Call, tenant: string, patch: TenantPatch): Promise<TenantState> {
  requireScope(call.principal, "admin");
  return stateOf(tenant, await call.parts.tenants.update(tenant, patch));
}

function stateOf(tenant: string, record: Omit<TenantState, "tenant" | "effective">): TenantState {
  const { rev, settings, summarization, summarizerTokensPerDay, limits = {}, spentToday, updatedAt } = record;
  const effective = resolveSettings(settings);
  return { tenant, rev, settings, effective, summarization, summarizerTokensPerDay, limits, spentToday, updatedAt };
}
