import type { CopyErasures } from "../session/client.ts";
import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { giveBack } from "./give-back.ts";
import { reportRecovery, settleLate } from "./report.ts";

/** Rounds of one delivery at most: a guard against going round for ever. What is left is sent again. */
const MAX_ROUNDS = 1_000;

/** Tells the copies of a session what was erased in it, until each has erased it too. Repeating it changes nothing. */
export async function eraseCopies({ job }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const session = parts.sessions.get(job);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const read = await session.readOwedErasures(job.jobId, job.incarnation);
    if (read === null) {
      await settleLate(parts, job);
      return ACK;
    }
    // One copy that is out of reach holds up none of the others.
    const told = await Promise.allSettled(read.owed.map((owed) => tell(owed, job, parts)));
    const confirmed = read.owed.filter((_, index) => told[index]?.status === "fulfilled");
    await session.confirmCopyErasures(job.jobId, job.incarnation, confirmed);
    const failed = told.find((one) => one.status === "rejected");
    // The rest is told again after a pause that grows: thrown on, it would be taken for a session that is out of reach itself.
    if (failed !== undefined) return giveBack(job, failed.reason, parts);
    await reportRecovery(parts, job, read.hasFailed);
  }
  return ACK;
}

async function tell({ copy, erased }: CopyErasures, job: Delivery["job"], parts: PipelineParts): Promise<void> {
  const ref = { tenant: job.tenant, owner: job.owner, session: copy };
  const { isGone, grantedAt } = await parts.sessions.get(ref).eraseCopied(erased);
  if (isGone) await parts.directory.remove(ref, grantedAt);
}
