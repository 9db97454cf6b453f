import { ThreadkeepError, unwrap } from "../contracts/errors.ts";
import type { Failure } from "../contracts/job.ts";
import type { Parts } from "../service/call.ts";

/**
 * A summary that was given up is owed again at once. All other work is never given up: its object goes on sending it, at least every
 * five minutes.
 */
export async function retryJob(failure: Failure, parts: Pick<Parts, "sessions">): Promise<"sent" | "waits" | "gone"> {
  const { kind, tenant, owner, session } = failure;
  if (kind !== "summarize") return "waits";
  try {
    return unwrap(await parts.sessions.get({ tenant, owner, session }).maintain("catch-up", false)) === "owed"
      ? "sent"
      : "gone";
  } catch (error) {
    if (error instanceof ThreadkeepError) return "gone";
    throw error;
  }
}
