import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";
import type { Operation } from "../operation.ts";

const WHERE =
  "Nothing was copied: the lines are read where they stand. Fetch them with GET /v1/users/{userId} and a key of the tenant. While the last line is user-next, the same request with its cursor continues; the line user-end counts everything.";

/**
 * Counts what an export of a user contains. The export itself is streamed to whoever fetches it: there is no place to
 * store it here, and a copy would have to be erased with the user.
 */
export const exportUser: Operation = {
  async slice(request, cursor, parts, runId) {
    const slice = await sessions.slice(request, cursor, parts, runId);
    if (slice.cursor !== null) return slice;
    const { tenant = "", user: owner = "" } = request;
    const failed = await parts.operations.countOfUser({ tenant, owner });
    const counts = failed === 0 ? slice.counts : { ...slice.counts, "failed-jobs": failed };
    return { ...slice, counts, notes: [WHERE] };
  },
};

const sessions = eachSession(async ({ ref, parts }) => {
  unwrap(await parts.sessions.get(ref).state());
  return { result: "whole" };
});
