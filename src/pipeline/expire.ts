import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";

/**
 * Lets a silent session expire, once nothing of it would be lost. The list of sessions says so first: it must never show a session
 * as alive that answers 410 for good.
 */
export async function expireSession({ job }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const session = parts.sessions.get(job);
  const { jobId, incarnation } = job;
  // Whatever has to happen first is owed by then, and the object sends this job again.
  if ((await session.stepExpiry(jobId, incarnation)) !== "expire") return ACK;
  await parts.directory.setExpired(job, Date.now());
  if ((await session.confirmExpiry(jobId, incarnation)) === "expire") parts.log.info("session_expired", { jobId });
  else if (!(await isExpired(parts, job))) await parts.directory.setExpired(job, null);
  return ACK;
}

/** A repeated delivery finds it expired already: the list is right then. */
async function isExpired(parts: PipelineParts, job: Delivery["job"]): Promise<boolean> {
  const state = await parts.sessions.get(job).state();
  return !state.ok && state.fault.code === "session_expired";
}
