import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { reportRecovery } from "./report.ts";

/** Rounds of one delivery at most: a guard against going round for ever. What is left is sent again. */
const MAX_ROUNDS = 1_000;

/** Tells the copies of a session what was erased in it, until each has erased it too. Repeating it changes nothing. */
export async function eraseCopies({ job }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const session = parts.sessions.get(job);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const read = await session.readOwedErasures(job.jobId, job.incarnation);
    if (read === null) return ACK;
    for (const { copy, erased } of read.owed) {
      const ref = { tenant: job.tenant, owner: job.owner, session: copy };
      const { isGone } = await parts.sessions.get(ref).eraseCopied(erased);
      if (isGone) await parts.directory.remove(ref);
    }
    await session.confirmCopyErasures(job.jobId, job.incarnation, read.owed);
    await reportRecovery(parts, job, read.failures);
  }
  return ACK;
}
