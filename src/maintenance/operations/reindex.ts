import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/**
 * Rebuilds the full-text index of each session. A session that was never searched has none; its first search builds it.
 */
export const reindex = eachSession(async ({ ref, request, parts }) => {
  const first = unwrap(await parts.sessions.get(ref).reindex(true, request.dryRun));
  if (first === null) return { result: "unindexed" };
  for (let { done } = first; !done;) done = unwrap(await parts.sessions.get(ref).reindex(false, false))?.done ?? true;
  return { result: "reindexed" };
});
