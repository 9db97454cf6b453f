import type { SummarizerUsage } from "../api/summarizer.ts";
import { errorFields } from "../telemetry/redact.ts";
import { askSummarizer } from "./ask-summarizer.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { embedSummarized } from "./embed.ts";
import { endFailure, indexFailure, reportFailure, reportRecovery, settleLate, settleOver } from "./report.ts";

/**
 * Chunks of one delivery: each takes a few subrequests, and Cloudflare allows 1,000 per invocation. After that the job
 * is sent again at once and continues.
 */
const MAX_CHUNKS = 200;
/**
 * After this time a delivery starts no further chunk; the job is sent again at once. Cloudflare ends a queue consumer
 * after 15 minutes, even in the middle of a paid call, so this leaves time for one more.
 */
const MAX_SUMMARIZING_MS = 600_000;

/**
 * Handles a `summarize` job: asks the session for a chunk of messages, has it summarized and saves the answer, until
 * the session says that it is done. A repeated or late delivery finds nothing pending, or another delivery's lease, and
 * changes nothing.
 */
export async function summarizeSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const startedAt = Date.now();
  const { jobId, epoch } = job;
  const tenant = await parts.tenants.read(job.tenant);
  // The session sends the job again by itself, and so continues once the tenant is no longer paused.
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
  // Another delivery holds the lease. If that one fails, the session sends the job again when the lease ends.
  if (step.next === "wait") return ACK;
  if (chunks === 0) {
    // Another branch's summary covered all of it, so the job is over.
    if (step.hasFailed) await endFailure(parts, job);
    else await settleOver(parts, delivery);
  } else {
    parts.log.info("summarized", { jobId, chunks, fallbacks, durationMs: Date.now() - startedAt });
    // The summary before it may have been a fallback, whose consumer reports this job, and may do so late.
    if (step.hasFailed) await endFailure(parts, job);
    else await reportRecovery(parts, delivery, false);
    // If a chat has only a fallback summary, operators are told at once: a setting may be wrong.
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

/**
 * Counts the usage against the tenant's budget, after the answer is saved. If the tenant's object is out of reach, this
 * usage is not counted, but the summary is kept.
 */
async function noteSpent(parts: PipelineDeps, tenant: string, usage: SummarizerUsage | undefined): Promise<void> {
  if (usage === undefined) return;
  try {
    await parts.tenants.spend(tenant, usage);
  } catch (error) {
    parts.log.warn("spending_not_counted", { tenant, ...errorFields(error) });
  }
}
