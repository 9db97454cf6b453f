import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Has each session hear of its tenant's settings of now, and expire if it was silent for longer than they say. A session by itself
 * hears of them with the next request, which a silent one may never get. It still expires only once nothing of it would be lost.
 */
export const expire = eachSession(async ({ ref, request, parts }) => {
  const tenant = await parts.tenants.read(ref.tenant);
  return { result: unwrap(await parts.sessions.get(ref).maintain("expire", request.dryRun, tenant)) };
});
