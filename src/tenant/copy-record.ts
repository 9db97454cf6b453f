import type { SessionLimits } from "../api/quota.ts";
import type { SessionSettings } from "../api/session.ts";
import type { Jurisdiction, TenantSettings } from "../api/tenant.ts";
import type { UsersMay } from "../api/users-may.ts";
import type { KeyHashes } from "./key-records.ts";

/**
 * What the Worker needs of a tenant while the tenant's object is unavailable. It lies in Workers KV, so it has no
 * secret of a key, no name of a key, and nothing of a chat.
 */
export interface TenantCopy {
  readonly v: 1;
  /** Rises with each change of the tenant's settings. */
  readonly rev: number;
  readonly settings: SessionSettings;
  readonly summarization: TenantSettings["summarization"];
  readonly limits: SessionLimits;
  readonly usersMay: UsersMay;
  /** The day (UTC) on which the budget of the day was used up; null if it was not. */
  readonly overBudgetOn: string | null;
  readonly jurisdiction: Jurisdiction | null;
  readonly createdAt: string | null;
  readonly keys: CopiedKeys | null;
}

/** The keys of a copy. */
export interface CopiedKeys extends KeyHashes {
  /** The ids of the keys that were revoked last. Any other id that is not among the valid ones may be a new key's. */
  readonly revoked: readonly string[];
}
