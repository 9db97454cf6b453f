/** The sessions that the lists name, verified one by one, and what is to be done about each. */

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

/** Sessions of one step: each takes some five calls, of which an invocation has a thousand. */
const MAX_VERIFIED = 100;
/** Connections to PostgreSQL at once. */
const LANES = 4;

/** What becomes of a session that was verified: a word for it, and what is still to be told. */
export type Judge = (
  verified: Verified,
  visited: { readonly ref: SessionRef; readonly database: Database; readonly parts: MaintenanceDeps },
) => Promise<{ readonly result: string; readonly findings: readonly Finding[] }>;

/** @param judgeOf idempotent: a step that broke off is made again from its beginning */
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
    // Of no session in particular: the step is made again once PostgreSQL is back.
    if (isArchiveAway(error)) throw error;
    const { code } = faultOf(error);
    parts.log.warn("verify_failed", { code, ...errorFields(error) });
    const { tenant, owner, session } = ref;
    const user = owner === TENANT_OWNER ? null : owner;
    return { result: "failed", findings: [], failure: { tenant, user, session, reason: code } };
  }
}
