import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Applies the tenant's current settings to each session, and expires those that have been idle for longer than they
 * allow. A session would otherwise be told the new settings with its next request, which an idle one may never get. As
 * always, it expires only once everything is archived.
 */
export const expire = eachSession(async ({ ref, request, parts }) => {
  const tenant = await parts.tenants.read(ref.tenant);
  return { result: unwrap(await parts.sessions.get(ref).maintain("expire", request.dryRun, tenant)) };
});
