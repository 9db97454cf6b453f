import { z } from "zod";
import type { Finding } from "../../api/finding.ts";
import { ownerName, TENANT_OWNER } from "../../api/session.ts";
import { inPasses } from "../in-passes.ts";
import type { Operation } from "../operation.ts";
import { reportFindings } from "../report-findings.ts";
import { verifyHeldSessions, verifyLooseEpochs } from "../verify-archive.ts";
import { eachVerified } from "../verify-listed.ts";
import { verifyUser } from "../verify-user.ts";

/**
 * Rows of the archive per step: each takes a call to a session object, and Cloudflare allows 1,000 subrequests per
 * invocation.
 */
const MAX_HELD = 250;

const refSchema = z.strictObject({ tenant: z.string(), owner: z.string(), session: z.string() });
const failureCursorSchema = z.strictObject({ at: z.number(), jobId: z.string() });

/**
 * Checks stored sessions and the archive, and reports what it found and what repairs it. Changes nothing, dry run or
 * not.
 */
export const verify: Operation = inPasses(({ session, user }) => {
  if (session !== undefined) return [listed];
  return user === undefined ? [listed, failedUsers, held, loose] : [listed, named, held];
});

const listed = eachVerified(() => async (verified) => verified);

/** Verifies the user named in the request, even if the archive has nothing of that user any more. */
const named: Operation = {
  async slice({ tenant = "", user: owner = "" }, _cursor, parts) {
    const standing = await parts.users.standing({ tenant, owner });
    if (standing.erasure === null) return { cursor: null, counts: {} };
    const findings = await parts.withDatabase((database) => verifyUser({ tenant, owner }, database, parts));
    return toSlice(null, { "erased-users": 1 }, findings);
  },
};

/** Verifies the users of failed jobs: there must be no failed job of an erased user. */
const failedUsers: Operation = {
  async slice(request, cursor, parts) {
    const limit = Math.min(request.sliceSize, MAX_HELD);
    const after = cursor === null ? null : failureCursorSchema.parse(JSON.parse(cursor));
    const failures = await parts.operations.list(limit, after);
    const meant = failures.filter(({ tenant }) => request.tenant === undefined || request.tenant === tenant);
    const users = new Map(
      meant
        .filter(({ tenant, owner }) => tenant !== "" && owner !== "" && owner !== TENANT_OWNER)
        .map(({ tenant, owner }) => [ownerName({ tenant, owner }), { tenant, owner }]),
    );
    const findings: Finding[] = [];
    await parts.withDatabase(async (database) => {
      for (const user of users.values()) findings.push(...(await verifyUser(user, database, parts)));
    });
    const last = failures.at(-1);
    const isLast = last === undefined || failures.length < limit;
    const next = isLast ? null : JSON.stringify({ at: Date.parse(last.lastFailedAt), jobId: last.jobId });
    return toSlice(next, {}, findings);
  },
};

const held: Operation = {
  async slice({ tenant, user, sliceSize }, cursor, parts) {
    const after = cursor === null ? null : refSchema.parse(JSON.parse(cursor));
    const page = { after, limit: Math.min(sliceSize, MAX_HELD) };
    const { findings, looked, next } = await parts.withDatabase((database) =>
      verifyHeldSessions({ tenant, owner: user }, page, database, parts),
    );
    return toSlice(next === null ? null : JSON.stringify(next), { "archive-rows": looked }, findings);
  },
};

/** These epochs cannot be found by user, so a run for one user skips this pass. */
const loose: Operation = {
  async slice({ tenant, user, sliceSize }, cursor, parts) {
    const page = { after: cursor ?? "", limit: sliceSize };
    const { findings, next } = await parts.withDatabase((database) =>
      verifyLooseEpochs({ tenant, owner: user }, page, database),
    );
    return toSlice(next, {}, findings);
  },
};

function toSlice(cursor: string | null, counts: Record<string, number>, findings: readonly Finding[]) {
  return { cursor, counts, failed: findings.length, ...reportFindings(findings) };
}
