import { MAX_PAGE_SIZE } from "../contracts/limits.ts";
import type { Call } from "../service/call.ts";
import { listSessions } from "../service/sessions.ts";

/** Ids of the caller's newest sessions that begin so. */
export async function completeSessionId(call: Call, beginning: string): Promise<string[]> {
  const { data } = await listSessions(call, { limit: MAX_PAGE_SIZE });
  return data.map(({ id }) => id).filter((id) => id.startsWith(beginning));
}
