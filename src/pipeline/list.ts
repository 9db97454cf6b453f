import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Tells the list of sessions what a session's metadata is, where whoever changed it did not get that far. The directory keeps what is
 * newer, so repeating it changes nothing.
 */
export async function listSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  const listing = await session.readListing(jobId, epoch);
  if (listing === null) {
    await settleOver(parts, delivery);
    return ACK;
  }
  const { metadata, metadataRev, grantedAt, begunBy } = listing;
  await parts.directory.renew(job, metadata, begunBy);
  await parts.directory.setMetadata(job, metadata, { grantedAt, rev: metadataRev });
  // Changed meanwhile: the object sends this job again.
  const ended = await session.confirmListed(epoch, metadataRev, true);
  if (ended !== false) await reportRecovery(parts, delivery, ended === "known");
  return ACK;
}
