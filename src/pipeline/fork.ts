import type { CopyStep } from "../session/client.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleLate, settleOver } from "./report.ts";

/** A delivery that has copied for this long ends; the job is sent again at once. */
const MAX_COPY_MS = 10_000;
/**
 * A delivery that has copied this many pages ends too: each takes two subrequests, and Cloudflare allows 1,000 per
 * invocation.
 */
const MAX_PAGES = 250;

/** Copies the messages of a fork from its source page by page, continuing where the last delivery stopped. */
export async function copyFork(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const startedAt = Date.now();
  const { jobId, epoch } = job;
  const fork = parts.sessions.get(job);
  let step: CopyStep | "known" | null = await fork.nextCopyStep(jobId, epoch);
  if (step === null) {
    await settleOver(parts, delivery);
    return ACK;
  }
  let { hasFailed } = step;
  for (let pages = 0; step !== null && step !== "known"; pages += 1) {
    ({ hasFailed } = step);
    if (pages >= MAX_PAGES || Date.now() - startedAt > MAX_COPY_MS) {
      await settleLate(parts, job);
      await fork.putOff(jobId, epoch, { afterMs: 0, hasProgressed: true });
      return ACK;
    }
    const source = parts.sessions.get({ ...job, session: step.source.session });
    const page = await source.readCopyPage(step.source.epoch, step.afterSeq, step.throughSeq);
    if (page === null) {
      const grantedAt = await fork.loseCopy(jobId, epoch);
      await parts.directory.remove(job, grantedAt);
      parts.log.warn("fork_lost", { jobId });
      break;
    }
    step = await fork.saveCopyPage(jobId, epoch, page);
  }
  await reportRecovery(parts, delivery, hasFailed || step === "known");
  return ACK;
}
