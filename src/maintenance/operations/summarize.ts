import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Schedules summaries. If the request names a session, it is summarized in any case; otherwise the sessions that are
 * due by their own settings, and those whose summary has failed. Each is made in the background, subject to the
 * tenant's pause and budget.
 */
export const summarize = eachSession(async ({ ref, request, parts }) => {
  const task = request.session === undefined ? "catch-up" : "summarize";
  const tenant = await parts.tenants.read(ref.tenant);
  return { result: unwrap(await parts.sessions.get(ref).maintain(task, request.dryRun, tenant)) };
});
