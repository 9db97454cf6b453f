import { unwrap } from "../../api/errors.ts";
import { eachSession } from "../each-session.ts";

/** Makes the full-text index of each session anew. One that was never searched has none: its first search makes it. */
export const reindex = eachSession(async ({ ref, request, parts }) => {
  const first = unwrap(await parts.sessions.get(ref).reindex(true, request.dryRun));
  if (first === null) return { result: "unindexed" };
  for (let { done } = first; !done;) done = unwrap(await parts.sessions.get(ref).reindex(false, false))?.done ?? true;
  return { result: "reindexed" };
});
