import type { JobMessage } from "../api/job.ts";
import { ACK, type PipelineDeps, type Verdict } from "./delivery.ts";
import { clearFailure, reasonOf, reportFailure } from "./report.ts";

/**
 * Tells the object that keeps a job why an attempt came to nothing: it sends the job again after a pause that grows. Rejects if that object is
 * out of reach: only then the queue has to deliver it again. Not for a job with a lease, which may be another's by then.
 */
export async function giveBack(job: JobMessage, error: unknown, parts: PipelineDeps): Promise<Verdict> {
  const reason = `${job.kind}: ${reasonOf(error)}`;
  const report = await parts.sessions.get(job).noteFailure(job.jobId, job.epoch, { reason });
  // It is over, be it that this delivery did it and never heard so: nobody else takes it off the list.
  if (report === null) await clearFailure(parts, job);
  else await reportFailure(parts, job, reason, report);
  return ACK;
}
