import { z } from "zod";
import type { Failure } from "../../api/job.ts";
import type { NamedSession } from "../../api/operation-run.ts";
import { faultOf } from "../../api/problem.ts";
import { TENANT_OWNER } from "../../api/session.ts";
import { retryJob } from "../../usecases/jobs.ts";
import type { MaintenanceDeps, Operation } from "../operation.ts";

const cursorSchema = z.strictObject({ at: z.number(), jobId: z.string() });

/** Sends failed jobs again at once, including those that were given up. A job that fails again returns to the list. */
export const retry: Operation = {
  async slice(request, cursor, parts) {
    const after = cursor === null ? null : cursorSchema.parse(JSON.parse(cursor));
    const { tenant, user, session, kind, sliceSize, dryRun } = request;
    // A session without a user belongs to the tenant itself.
    const owner = user ?? (session === undefined ? undefined : TENANT_OWNER);
    const listed = await parts.operations.list(sliceSize, after, { tenant, user: owner, session, kind });
    const counts: Record<string, number> = {};
    const failures: NamedSession[] = [];
    for (const failure of listed) {
      const result = dryRun ? "would-retry" : await tryAgain(failure, failures, parts);
      counts[result] = (counts[result] ?? 0) + 1;
    }
    const last = listed.at(-1);
    const isLast = last === undefined || listed.length < sliceSize;
    const next = isLast ? null : JSON.stringify({ at: Date.parse(last.lastFailedAt), jobId: last.jobId });
    return { cursor: next, counts, failures };
  },
};

async function tryAgain(failure: Failure, failures: NamedSession[], parts: MaintenanceDeps): Promise<string> {
  try {
    const result = await retryJob(parts, failure);
    if (result === "retried" || result === "gone") await parts.operations.settle([failure]);
    return result;
  } catch (error) {
    const { tenant, owner, session } = failure;
    const user = owner === TENANT_OWNER || owner === "" ? null : owner;
    failures.push({ tenant, user, session, reason: faultOf(error).code });
    return "failed";
  }
}
