import type { CopyAnswer, CopyErasures } from "../session/client.ts";
import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { giveBack } from "./give-back.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Copies that one delivery tells: each is a request at least, and the platform allows an invocation a thousand. The next one goes on from
 * there.
 */
const MAX_TOLD = 500;

/**
 * Tells the copies of a session what was erased in it, and copies of theirs as they name them, until each has erased it too, in the
 * archive as well. Those that are not done yet are asked again later. Repeating it changes nothing.
 */
export async function eraseCopies(delivery: Delivery, parts: PipelineParts): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, incarnation } = job;
  let afterRow: number | undefined;
  for (let copies = 0; copies < MAX_TOLD;) {
    const read = await session.readOwedErasures(jobId, incarnation, afterRow);
    if (read === null) {
      await settleOver(parts, delivery);
      return ACK;
    }
    if (read.owed.length === 0) {
      await session.waitForCopies(jobId, incarnation);
      return ACK;
    }
    // One copy that is out of reach holds up none of the others.
    const told = await Promise.allSettled(read.owed.map((owed) => tell(owed, job, parts)));
    const answers = told.map((one) => (one.status === "fulfilled" ? one.value : null));
    const confirmed = read.owed.filter((_, index) => answers[index]?.isConfirmed === true);
    const rows = confirmed.flatMap((owed) => owed.rows);
    const further = answers.flatMap((answer) => answer?.further ?? []);
    const failed = told.find((one) => one.status === "rejected");
    copies += read.owed.length;
    // Where this one stops only for its length, the next goes on from there.
    const throughRow = failed === undefined && copies >= MAX_TOLD ? read.lastRow : 0;
    const hasFailedSince = await session.confirmCopyErasures(jobId, incarnation, rows, further, throughRow);
    // The rest is told again after a pause that grows: thrown on, it would be taken for a session that is out of reach itself.
    if (failed !== undefined) return giveBack(job, failed.reason, parts);
    await reportRecovery(parts, delivery, read.hasFailed || hasFailedSince);
    afterRow = read.lastRow;
  }
  await session.putOff(jobId, incarnation, { afterMs: 0, hasProgressed: true });
  return ACK;
}

async function tell(
  { copy, erased }: CopyErasures,
  job: Delivery["job"],
  parts: PipelineParts,
): Promise<Pick<CopyAnswer, "isConfirmed" | "further">> {
  const ref = { tenant: job.tenant, owner: job.owner, session: copy };
  const answer = await parts.sessions.get(ref).eraseCopied(erased);
  if (answer.isGone) await parts.directory.remove(ref, answer.grantedAt);
  const further = [...answer.further];
  for (let { more } = answer; more !== null;) {
    const next = await parts.sessions.get(ref).eraseCopied(erased, more);
    further.push(...next.further);
    ({ more } = next);
  }
  return { isConfirmed: answer.isConfirmed, further };
}
