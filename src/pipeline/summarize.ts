import type { SummarizerUsage } from "../api/summarizer.ts";
import { errorFields } from "../telemetry/redact.ts";
import { askSummarizer } from "./ask-summarizer.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { embedSummarized } from "./embed.ts";
import { clearFailure, indexFailure, reportFailure, reportRecovery, settleLate, settleOver } from "./report.ts";

/**
 * Chunks of one delivery: each is a few requests, and the platform allows an invocation a thousand. The job comes again at once, and goes on
 * from there.
 */
const MAX_CHUNKS = 200;
/**
 * A delivery that summarized for so long makes room for others, and its job comes again at once. The platform ends a consumer after 15 minutes,
 * amid a call that is paid for; one more call of a model fits in between.
 */
const MAX_SUMMARIZING_MS = 600_000;

/**
 * Brings one session's summary up to what its object owes: reads a chunk, has it summarized, saves the answer, until the object
 * says that it is done. A repeated or late delivery finds nothing pending, or a lease, and changes nothing.
 */
export async function summarizeSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const startedAt = Date.now();
  const { jobId, epoch } = job;
  const tenant = await parts.tenants.read(job.tenant);
  // The object sends it again by itself, and so goes on once the tenant does.
  if (tenant.summarization === "paused") {
    await settleLate(parts, job);
    return ACK;
  }
  const session = parts.sessions.get(job);
  let step = await session.beginSummary(jobId, epoch);
  let chunks = 0;
  let fallbacks = 0;
  for (; step.next === "call"; chunks += 1) {
    const { lease } = step;
    if (chunks >= MAX_CHUNKS || Date.now() - startedAt > MAX_SUMMARIZING_MS) {
      await settleLate(parts, job);
      await session.putOff(jobId, epoch, { afterMs: 0, lease, hasProgressed: true });
      return ACK;
    }
    const asked = await askSummarizer(step, tenant, parts, job.trace);
    if (asked.kind === "failure") {
      const { kind: _, ...fallbackCause } = asked;
      parts.ledger?.spend(jobId, "", fallbackCause.usage, false);
      const report = await session.noteFailure(jobId, epoch, { ...fallbackCause, lease });
      await reportFailure(parts, job, fallbackCause.reason, report);
      await noteSpent(parts, job.tenant, fallbackCause.usage);
      return ACK;
    }
    const { answer, fallbackCause } = asked;
    parts.ledger?.spend(jobId, answer.model, answer.usage, fallbackCause !== null);
    if (fallbackCause !== null) {
      fallbacks += 1;
      parts.log.warn("summary_degraded", { jobId, reason: fallbackCause.reason });
    }
    step = await session.saveAnswer(jobId, epoch, lease, answer, fallbackCause, parts.embedder !== null);
    await noteSpent(parts, job.tenant, answer.usage);
  }
  // Another delivery is at it. If nothing comes of that, the object sends the job again when its lease ends.
  if (step.next === "wait") return ACK;
  if (chunks === 0) {
    // Another branch had all that was to be covered, and the job is over by that.
    if (step.hasFailed) await clearFailure(parts, job);
    else await settleOver(parts, delivery);
  } else {
    parts.log.info("summarized", { jobId, chunks, fallbacks, durationMs: Date.now() - startedAt });
    await reportRecovery(parts, delivery, step.hasFailed);
    // A chat that has only a fallback summary is worth an operator's look at once: what is wrong may be a setting.
    if (step.upgrade !== null) {
      const { jobId: upgradeId, reason, ...report } = step.upgrade;
      await indexFailure(parts, { ...job, jobId: upgradeId }, reason, { ...report, gaveUp: false });
    }
  }
  if (step.embeddingJobId !== undefined) {
    await embedSummarized({ ...job, kind: "embed", jobId: step.embeddingJobId, sends: 1 }, tenant, parts);
  }
  return ACK;
}

/** Counts what was spent against the tenant's budget, after the answer is safe. A tenant out of reach costs the count, not the summary. */
async function noteSpent(parts: PipelineDeps, tenant: string, usage: SummarizerUsage | undefined): Promise<void> {
  if (usage === undefined) return;
  try {
    await parts.tenants.spend(tenant, usage);
  } catch (error) {
    parts.log.warn("spending_not_counted", { tenant, ...errorFields(error) });
  }
}
