/** Verifies the sessions in the directories' lists one by one, and decides what to do about each. */

import type { Finding } from "../api/finding.ts";
import type { NamedSession } from "../api/operation-run.ts";
import { faultOf } from "../api/problem.ts";
import { type SessionRef, TENANT_OWNER } from "../api/session.ts";
import { type Database, isArchiveAway } from "../archive/database.ts";
import { errorFields } from "../telemetry/redact.ts";
import { enumerateSessions } from "./enumerate-sessions.ts";
import type { MaintenanceDeps, Operation } from "./operation.ts";
import { reportFindings } from "./report-findings.ts";
import { type Verified, verifySession } from "./verify-session.ts";

/** Sessions per step: each takes about five calls, and Cloudflare allows 1,000 subrequests per invocation. */
const MAX_VERIFIED = 100;
/** Connections to PostgreSQL at the same time. */
const LANES = 4;

/** Decides what to do about a verified session, and returns a result to count and the findings that remain. */
export type Judge = (
  verified: Verified,
  visited: { readonly ref: SessionRef; readonly database: Database; readonly parts: MaintenanceDeps },
) => Promise<{ readonly result: string; readonly findings: readonly Finding[] }>;

/** @param judgeOf must return an idempotent function, because an interrupted step is repeated from its beginning */
export function eachVerified(judgeOf: (isDryRun: boolean) => Judge): Operation {
  return {
    async slice(request, cursor, parts) {
      const limit = Math.min(request.sliceSize, MAX_VERIFIED);
      const { refs, cursor: next } = await enumerateSessions(request, cursor, limit, parts);
      const judge = judgeOf(request.dryRun);
      const waiting = [...refs];
      const counts: Record<string, number> = {};
      const findings: Finding[] = [];
      const failures: NamedSession[] = [];
      let flawed = 0;
      const lane = (): Promise<void> =>
        parts.withDatabase(async (database) => {
          for (let ref = waiting.shift(); ref !== undefined; ref = waiting.shift()) {
            const judged = await judgeOne(ref, database, parts, judge);
            counts[judged.result] = (counts[judged.result] ?? 0) + 1;
            findings.push(...judged.findings);
            if (judged.failure !== null) failures.push(judged.failure);
            if (judged.findings.length > 0 || judged.failure !== null) flawed += 1;
          }
        });
      await Promise.all(Array.from({ length: Math.min(LANES, refs.length) }, lane));
      const total = request.session === undefined ? {} : { total: 1 };
      return { cursor: next, counts, failures, failed: flawed, ...reportFindings(findings), ...total };
    },
  };
}

async function judgeOne(
  ref: SessionRef,
  database: Database,
  parts: MaintenanceDeps,
  judge: Judge,
): Promise<{ result: string; findings: readonly Finding[]; failure: NamedSession | null }> {
  try {
    const verified = await verifySession(ref, database, parts);
    return { ...(await judge(verified, { ref, database, parts })), failure: null };
  } catch (error) {
    // This error concerns no single session; the step is repeated when PostgreSQL is back.
    if (isArchiveAway(error)) throw error;
    const { code } = faultOf(error);
    parts.log.warn("verify_failed", { code, ...errorFields(error) });
    const { tenant, owner, session } = ref;
    const user = owner === TENANT_OWNER ? null : owner;
    return { result: "failed", findings: [], failure: { tenant, user, session, reason: code } };
  }
}
