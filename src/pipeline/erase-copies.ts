import type { CopyAnswer, CopyErasures } from "../session/client.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
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
export async function eraseCopies(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  let afterRow: number | undefined;
  for (let copies = 0; copies < MAX_TOLD;) {
    const read = await session.readPendingErasures(jobId, epoch, afterRow);
    if (read === null) {
      await settleOver(parts, delivery);
      return ACK;
    }
    if (read.pending.length === 0) {
      await session.waitForCopies(jobId, epoch);
      return ACK;
    }
    // One copy that is out of reach holds up none of the others.
    const told = await Promise.allSettled(read.pending.map((pending) => tell(pending, job, parts)));
    const answers = told.map((one) => (one.status === "fulfilled" ? one.value : null));
    const confirmed = read.pending.filter((_, index) => answers[index]?.isConfirmed === true);
    const rows = confirmed.flatMap((pending) => pending.rows);
    const further = answers.flatMap((answer) => answer?.further ?? []);
    const failed = told.find((one) => one.status === "rejected");
    copies += read.pending.length;
    // Where this one stops only for its length, the next goes on from there.
    const throughRow = failed === undefined && copies >= MAX_TOLD ? read.lastRow : 0;
    const hasFailedSince = await session.confirmCopyErasures(jobId, epoch, rows, further, throughRow);
    // The rest is told again after a pause that grows: thrown on, it would be taken for a session that is out of reach itself.
    if (failed !== undefined) return giveBack(job, failed.reason, parts);
    await reportRecovery(parts, delivery, read.hasFailed || hasFailedSince);
    afterRow = read.lastRow;
  }
  await session.putOff(jobId, epoch, { afterMs: 0, hasProgressed: true });
  return ACK;
}

async function tell(
  { copy, erased }: CopyErasures,
  job: Delivery["job"],
  parts: PipelineDeps,
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
