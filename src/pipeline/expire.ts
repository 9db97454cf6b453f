import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Lets a silent session expire, once nothing of it would be lost. The list of sessions is told first, of an expiry as of one that is
 * called off: the object owes the job until the list is right.
 */
export async function expireSession({ job }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const session = parts.sessions.get(job);
  const { jobId, incarnation } = job;
  const { step, at, grantedAt, hasFailed } = await session.stepExpiry(jobId, incarnation);
  if (step === "done") await settleOver(parts, job);
  // Whatever has to happen first is owed by then, and the object sends this job again.
  if (step !== "expire" && step !== "cancel") return ACK;
  // A clock may have gone back since the last decision: the object sends this job again until it has caught up.
  if (!(await parts.directory.setExpired(job, step === "expire", at, grantedAt))) return ACK;
  const ended = await session.confirmExpiry(jobId, incarnation, step);
  if (!ended) return ACK;
  if (step === "expire") parts.log.info("session_expired", { jobId });
  await reportRecovery(parts, job, hasFailed);
  return ACK;
}
