import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Schedules a new summary of each session's whole log, as if there had been none. A model is paid for all of it again.
 */
export const rebuild = eachSession(async ({ ref, request, parts }) => {
  const tenant = await parts.tenants.read(ref.tenant);
  return { result: unwrap(await parts.sessions.get(ref).maintain("rebuild", request.dryRun, tenant)) };
});
