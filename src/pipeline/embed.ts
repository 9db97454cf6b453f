import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { clearFailure, settleOver } from "./report.ts";

/** Ends the job of vectors of a session: nothing makes any. */
export async function embedSession(delivery: Delivery, parts: PipelineParts): Promise<Verdict> {
  const { job } = delivery;
  const step = await parts.sessions.get(job).beginEmbedding(job.jobId, job.incarnation, null);
  if (step.next === "done" && step.hasFailed) await clearFailure(parts, job);
  else await settleOver(parts, delivery);
  return ACK;
}
