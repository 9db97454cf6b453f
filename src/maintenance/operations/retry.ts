import { z } from "zod";
import type { Failure } from "../../contracts/job.ts";
import type { NamedSession, OperationRequest } from "../../contracts/operation-run.ts";
import { faultOf } from "../../contracts/problem.ts";
import { TENANT_OWNER } from "../../contracts/session.ts";
import type { Operation } from "../operation.ts";

const cursorSchema = z.strictObject({ at: z.number(), jobId: z.string() });

/** Sends failed jobs again at once, those that were given up as well. What fails anew comes back on the list. */
export const retry: Operation = {
  async slice(request, cursor, parts) {
    const after = cursor === null ? null : cursorSchema.parse(JSON.parse(cursor));
    const listed = await parts.operations.list(request.sliceSize, after);
    const meant = listed.filter((failure) => isMeant(failure, request));
    const counts: Record<string, number> = {};
    const failures: NamedSession[] = [];
    for (const failure of meant) {
      const result = request.dryRun ? "would-retry" : await tryAgain(failure, failures, parts.retryJob);
      counts[result] = (counts[result] ?? 0) + 1;
    }
    const last = listed.at(-1);
    const isLast = last === undefined || listed.length < request.sliceSize;
    const next = isLast ? null : JSON.stringify({ at: Date.parse(last.lastFailedAt), jobId: last.jobId });
    return { cursor: next, counts, failures };
  },
};

async function tryAgain(
  failure: Failure,
  failures: NamedSession[],
  retryJob: (failure: Failure) => Promise<string>,
): Promise<string> {
  try {
    return await retryJob(failure);
  } catch (error) {
    const { tenant, owner, session } = failure;
    const user = owner === TENANT_OWNER || owner === "" ? null : owner;
    failures.push({ tenant, user, session, reason: faultOf(error).code });
    return "failed";
  }
}

function isMeant({ tenant, owner, session, kind }: Failure, asked: OperationRequest): boolean {
  if (asked.kind !== undefined && asked.kind !== kind) return false;
  if (asked.tenant !== undefined && asked.tenant !== tenant) return false;
  if (asked.session !== undefined && (asked.session !== session || owner !== (asked.user ?? TENANT_OWNER)))
    return false;
  return asked.user === undefined || asked.user === owner;
}
