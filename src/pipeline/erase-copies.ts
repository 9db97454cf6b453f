import type { CopyAnswer, CopyCall, ToldCopy } from "../session/client.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { giveBack } from "./give-back.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * From this many calls to copies on, a delivery takes no further round; a round has at most 350 calls, and Cloudflare
 * allows 1,000 subrequests per invocation. The next delivery continues from there.
 */
const MAX_TOLD = 500;

/**
 * Tells every copy of a session (fork or continuation) what was erased in it, and the copies of those copies as they
 * are named, until each has erased it in its object and in the archive. Copies that have not finished are called again
 * later. It is idempotent.
 */
export async function eraseCopies(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  let afterCopy: number | undefined;
  // A copy that is out of reach holds up none of the others: the failure is reported after they were told.
  let failed: PromiseRejectedResult | undefined;
  for (let calls = 0; calls < MAX_TOLD;) {
    const read = await session.readPendingErasures(jobId, epoch, afterCopy);
    if (read === null) {
      await settleOver(parts, delivery);
      return ACK;
    }
    if (read.calls.length === 0) {
      // The session sends the job again after a growing pause. If the failure were thrown, `consume` would record it a
      // second time.
      if (failed !== undefined) return giveBack(job, failed.reason, parts);
      await session.waitForCopies(jobId, epoch);
      return ACK;
    }
    const answers = await Promise.allSettled(read.calls.map((call) => tell(call, job, parts)));
    const told = answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    failed ??= answers.find((one) => one.status === "rejected");
    calls += read.calls.length;
    // If this delivery stops only because it reached MAX_TOLD, the next one continues after this copy.
    const throughCopy = calls >= MAX_TOLD ? read.lastCopy : 0;
    const hasFailedSince = await session.confirmCopyErasures(jobId, epoch, told, throughCopy);
    if (failed === undefined) await reportRecovery(parts, delivery, read.hasFailed || hasFailedSince);
    afterCopy = read.lastCopy;
  }
  if (failed !== undefined) return giveBack(job, failed.reason, parts);
  await session.putOff(jobId, epoch, { afterMs: 0, hasProgressed: true });
  return ACK;
}

async function tell(call: CopyCall, job: Delivery["job"], parts: PipelineDeps): Promise<ToldCopy> {
  const { copy, afterRow, throughRow, erased } = call;
  const range = { copy, afterRow, throughRow };
  if (erased.length === 0) return { ...range, isConfirmed: true, further: [] };
  const ref = { tenant: job.tenant, owner: job.owner, session: call.session };
  const answer = await parts.sessions.get(ref).eraseCopied(erased);
  if (answer.isGone) await parts.directory.remove(ref, answer.grantedAt);
  const further: CopyAnswer["further"][] = [answer.further];
  for (let { more } = answer; more !== null;) {
    const next = await parts.sessions.get(ref).eraseCopied(erased, more);
    further.push(next.further);
    ({ more } = next);
  }
  return { ...range, isConfirmed: answer.isConfirmed, further };
}
