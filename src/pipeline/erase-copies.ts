import type { CopyAnswer, CopyErasures } from "../session/client.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { giveBack } from "./give-back.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * Copies that one delivery calls, each with at least one request; Cloudflare allows 1,000 subrequests per invocation.
 * The next delivery continues from there.
 */
const MAX_TOLD = 500;

/**
 * Tells every copy of a session (fork or continuation) what was erased in it, and the copies of those copies as they
 * are reported, until each has erased it in its object and in the archive. Copies that have not finished are called
 * again later. It is idempotent.
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
    // A copy that is out of reach holds up none of the others.
    const told = await Promise.allSettled(read.pending.map((pending) => tell(pending, job, parts)));
    const answers = told.map((one) => (one.status === "fulfilled" ? one.value : null));
    const confirmed = read.pending.filter((_, index) => answers[index]?.isConfirmed === true);
    const rows = confirmed.flatMap((pending) => pending.rows);
    const further = answers.flatMap((answer) => answer?.further ?? []);
    const failed = told.find((one) => one.status === "rejected");
    copies += read.pending.length;
    // If this delivery stops only because it reached MAX_TOLD, the next one continues after this row.
    const throughRow = failed === undefined && copies >= MAX_TOLD ? read.lastRow : 0;
    const hasFailedSince = await session.confirmCopyErasures(jobId, epoch, rows, further, throughRow);
    // The failure is noted, and the session sends the job again after a growing pause. If it were thrown, `consume`
    // would record it a second time.
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
