import type { AuditDetails } from "../../src/api/audit.ts";
import type { Audited, AuditTrail } from "../../src/telemetry/audit.ts";

/** An audit trail that keeps its events. */
export function listeningTrail(): AuditTrail & {
  readonly recorded: (Audited & { readonly details: AuditDetails })[];
  readonly refused: Audited[];
} {
  const recorded: (Audited & { readonly details: AuditDetails })[] = [];
  const refused: Audited[] = [];
  return {
    recorded,
    refused,
    record: (audited, details) => void recorded.push({ ...audited, details }),
    refuse: (audited) => void refused.push(audited),
  };
}
