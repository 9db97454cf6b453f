import type { AuditAction } from "../api/audit.ts";
import type { UserRef } from "../api/user.ts";
import type { MaintenanceDeps } from "./operation.ts";

/**
 * Records in the audit what a run did, with the administrator as the actor, because only operators can start a
 * Workflow.
 */
export function auditRun(
  action: AuditAction,
  { tenant, owner }: { readonly tenant: string | null; readonly owner: UserRef["owner"] },
  runId: string,
  parts: Pick<MaintenanceDeps, "audit">,
): void {
  const actor = { kind: "admin", id: "operations" } as const;
  parts.audit.record({ tenant, owner, actor, action, session: null, result: "ok", requestId: runId, from: null }, {});
}
