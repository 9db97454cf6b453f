import type { SessionLimits } from "../contracts/quota.ts";
import { type ResolvedSettings, resolveSettings, type SessionSettings } from "../contracts/session.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import type { SessionRow } from "./rows.ts";

/**
 * What a session keeps of its tenant's settings, for its alarm and for frames on its sockets, which bring none along. The limits stand
 * among them, under a name that no setting has.
 */
export interface TenantTerms extends SessionSettings {
  readonly limits?: SessionLimits;
}

export function termsOf({ settings, limits }: Pick<TenantSettings, "settings" | "limits">): TenantTerms {
  return limits === undefined ? settings : { ...settings, limits };
}

/** The settings that hold for a session: its own over its tenant's, over the defaults. */
export function settingsOf(session: Pick<SessionRow, "settings" | "tenantSettings">): ResolvedSettings {
  return resolveSettings(session.settings, session.tenantSettings);
}

/** The session as its tenant's settings of now have it, without a write. */
export function withTenant(session: SessionRow, tenant: TenantSettings | undefined): SessionRow {
  if (tenant === undefined || tenant.rev <= session.tenantRev) return session;
  return { ...session, tenantRev: tenant.rev, tenantSettings: termsOf(tenant) };
}
