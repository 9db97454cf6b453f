import type { Finding } from "../api/finding.ts";
import { MAX_NAMED_SESSIONS, type NamedSession } from "../api/operation-run.ts";
import { TENANT_OWNER } from "../api/session.ts";
import type { Slice } from "./operation.ts";

/** Summarizes findings for a report: their number by kind, and the first of them in detail. */
export function reportFindings(findings: readonly Finding[]): Required<Pick<Slice, "findings" | "found">> {
  const found: Record<string, number> = {};
  for (const { kind } of findings) found[kind] = (found[kind] ?? 0) + 1;
  return { found, findings: findings.slice(0, MAX_NAMED_SESSIONS).map(toNamed) };
}

function toNamed({ kind, tenant, owner, session, detail, mend }: Finding): NamedSession {
  const user = owner === TENANT_OWNER || owner === "" ? null : owner;
  return { tenant, user, session: session ?? "", reason: detail, kind, mend };
}
