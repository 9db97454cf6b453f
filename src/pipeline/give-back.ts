import type { JobMessage } from "../api/job.ts";
import { ACK, type PipelineDeps, type Verdict } from "./delivery.ts";
import { clearFailure, reasonOf, reportFailure } from "./report.ts";

/**
 * Tells the session why an attempt at its job failed; it sends the job again after a growing pause. Rejects if the
 * session is out of reach: only then must the queue deliver the message again. Not for jobs with a lease, because
 * another delivery may hold the lease by then.
 */
export async function giveBack(job: JobMessage, error: unknown, parts: PipelineDeps): Promise<Verdict> {
  const reason = `${job.kind}: ${reasonOf(error)}`;
  const report = await parts.sessions.get(job).noteFailure(job.jobId, job.epoch, { reason });
  // The job is already over, perhaps done by this very delivery whose answer was lost. Nobody else would take it off
  // the list.
  if (report === null) await clearFailure(parts, job);
  else await reportFailure(parts, job, reason, report);
  return ACK;
}
