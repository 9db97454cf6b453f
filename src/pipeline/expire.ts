import { readHeldRow } from "../archive/held.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Expires an idle session once everything that the archive is to hold is in it. The user's list of sessions is updated
 * before the session is told: if that fails, the job remains pending until the list is right. The same holds for an
 * expiry that is called off.
 */
export async function expireSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  const { step, at, grantedAt, hasFailed, archivedRev } = await session.stepExpiry(jobId, epoch);
  if (step === "done") await settleOver(parts, delivery);
  // Either nothing is to be done, or another job has to run first; the session has scheduled it, and sends this job
  // again.
  if (step !== "expire" && step !== "cancel") return ACK;
  if (step === "expire" && archivedRev > 0) {
    // The archive may have lost what it once confirmed, for example if it was restored from a backup.
    const heldRev = await readHeldRev(job, parts);
    if (heldRev !== archivedRev) {
      parts.log.warn("archive_set_back", { jobId, heldRev, archivedRev });
      await session.resyncArchive(heldRev);
      return ACK;
    }
  }
  // The directory refused the change because its clock is behind that of the last decision. The session sends this job
  // again.
  if (!(await parts.directory.setExpired(job, step === "expire", at, grantedAt))) return ACK;
  const ended = await session.confirmExpiry(jobId, epoch, step);
  if (ended === false) return ACK;
  if (step === "expire") parts.log.info("session_expired", { jobId });
  await reportRecovery(parts, delivery, hasFailed || ended === "known");
  return ACK;
}

/** The revision of this epoch that the archive holds; 0 if it holds nothing of it. */
async function readHeldRev(job: Delivery["job"], parts: PipelineDeps): Promise<number> {
  const row = await parts.withDatabase((database) => readHeldRow(database, job));
  return row === null || row.isErased || row.epoch !== job.epoch ? 0 : row.rev;
}
