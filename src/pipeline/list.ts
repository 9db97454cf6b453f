import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Handles a `list` job: writes a session's metadata to the user's list of sessions, if the request that changed it did
 * not get that far. The directory keeps the newer revision, so this is idempotent.
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
  // False if the metadata was changed meanwhile: the session sends the job again.
  const ended = await session.confirmListed(epoch, metadataRev, true);
  if (ended !== false) await reportRecovery(parts, delivery, ended === "known");
  return ACK;
}
