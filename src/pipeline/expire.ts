import { readHeldRow } from "../archive/held.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Lets a silent session expire, once nothing of it would be lost. The list of sessions is told first, of an expiry as of one that is
 * called off: the object keeps the job until the list is right.
 */
export async function expireSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  // An object of an earlier version tells no revision.
  const { step, at, grantedAt, hasFailed, archivedRev = 0 } = await session.stepExpiry(jobId, epoch);
  if (step === "done") await settleOver(parts, delivery);
  // Whatever has to happen first is owed by then, and the object sends this job again.
  if (step !== "expire" && step !== "cancel") return ACK;
  if (step === "expire" && archivedRev > 0) {
    // What the archive confirmed once it may have lost since, as one that was restored from a backup.
    const heldRev = await readHeldRev(job, parts);
    if (heldRev !== archivedRev) {
      parts.log.warn("archive_set_back", { jobId, heldRev, archivedRev });
      await session.resyncArchive(heldRev);
      return ACK;
    }
  }
  // A clock may have gone back since the last decision: the object sends this job again until it has caught up.
  if (!(await parts.directory.setExpired(job, step === "expire", at, grantedAt))) return ACK;
  const ended = await session.confirmExpiry(jobId, epoch, step);
  if (ended === false) return ACK;
  if (step === "expire") parts.log.info("session_expired", { jobId });
  await reportRecovery(parts, delivery, hasFailed || ended === "known");
  return ACK;
}

/** The revision that the archive holds of an epoch; 0 if it holds nothing of it. */
async function readHeldRev(job: Delivery["job"], parts: PipelineDeps): Promise<number> {
  const row = await parts.withDatabase((database) => readHeldRow(database, job));
  return row === null || row.isErased || row.epoch !== job.epoch ? 0 : row.rev;
}
