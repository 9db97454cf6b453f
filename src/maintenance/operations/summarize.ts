import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Owes summaries: of a session that is named whatever there is to summarize, else of those that lag by their own settings, and of those
 * whose summary failed. Each is made in the background, where the tenant's pause and budget hold.
 */
export const summarize = eachSession(async ({ ref, request, parts }) => {
  const task = request.session === undefined ? "catch-up" : "summarize";
  const tenant = await parts.tenants.read(ref.tenant);
  return { result: unwrap(await parts.sessions.get(ref).maintain(task, request.dryRun, tenant)) };
});
