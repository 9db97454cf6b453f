/** An operation that calls each session separately. */

import { MAX_NAMED_SESSIONS, type NamedSession } from "../api/operation-run.ts";
import { faultOf } from "../api/problem.ts";
import { type SessionRef, TENANT_OWNER } from "../api/session.ts";
import { errorFields } from "../telemetry/redact.ts";
import { enumerateSessions } from "./enumerate-sessions.ts";
import type { Operation, Visit, Visited } from "./operation.ts";

/** Sessions called concurrently. They share PostgreSQL and the queues with users' requests, so there are only a few. */
const AT_ONCE = 16;
/** An object that was restarted or is busy answers the second attempt; one that does not counts as failed. */
const ATTEMPTS = 2;

/** Errors that are not a session's fault: it was deleted, expired or is being copied while the run is in progress. */
const PASSED_OVER: Readonly<Record<string, string>> = {
  session_not_found: "gone",
  session_expired: "expired",
  session_not_ready: "unfinished",
};

/** @param visit must be idempotent, because an interrupted step is repeated from its beginning */
export function eachSession(visit: (visited: Visited) => Promise<Visit>): Operation {
  return {
    async slice(request, cursor, parts) {
      const { refs, cursor: next } = await enumerateSessions(request, cursor, request.sliceSize, parts);
      const visits: { ref: SessionRef; visit: Visit }[] = [];
      const waiting = [...refs];
      const work = async (): Promise<void> => {
        for (let ref = waiting.shift(); ref !== undefined; ref = waiting.shift()) {
          visits.push({ ref, visit: await visitOne(visit, { ref, request, parts }) });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const counts: Record<string, number> = {};
      for (const { visit: made } of visits) counts[made.result] = (counts[made.result] ?? 0) + 1;
      const failures = visits.flatMap(({ ref, visit: { failure } }) => named(ref, failure));
      const findings = visits.flatMap(({ ref, visit: { finding } }) => named(ref, finding));
      return {
        cursor: next,
        counts,
        failed: failures.length,
        failures: failures.slice(0, MAX_NAMED_SESSIONS),
        findings: findings.slice(0, MAX_NAMED_SESSIONS),
        ...(request.session === undefined ? {} : { total: 1 }),
      };
    },
  };
}

async function visitOne(visit: (visited: Visited) => Promise<Visit>, visited: Visited): Promise<Visit> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await visit(visited);
    } catch (error) {
      const { code } = faultOf(error);
      const result = PASSED_OVER[code];
      if (result !== undefined) return { result };
      if (attempt < ATTEMPTS) continue;
      visited.parts.log.warn("operation_visit_failed", { op: visited.request.op, code, ...errorFields(error) });
      return { result: "failed", failure: code };
    }
  }
}

function named({ tenant, owner, session }: SessionRef, reason: string | undefined): NamedSession[] {
  return reason === undefined ? [] : [{ tenant, user: owner === TENANT_OWNER ? null : owner, session, reason }];
}
