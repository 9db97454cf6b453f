import type { SummarizerUsage } from "../contracts/summarizer.ts";
import { errorFields } from "../telemetry/redact.ts";
import { askSummarizer } from "./ask-summarizer.ts";
import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";
import { reportFailure, reportRecovery } from "./report.ts";

/** Chunks of one job at most: the largest session is about a hundred of them. A guard against going round for ever. */
const MAX_CHUNKS = 10_000;

/**
 * Brings one session's summary up to what its object owes: reads a chunk, has it summarized, saves the answer, until the object
 * says that it is done. A repeated or late delivery finds nothing owed, or a lease, and changes nothing.
 */
export async function summarizeSession({ job }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const startedAt = Date.now();
  const { jobId, incarnation } = job;
  const tenant = await parts.tenants.read(job.tenant);
  // The object sends it again by itself, and so goes on once the tenant does.
  if (tenant.summarization === "paused") return ACK;
  const session = parts.sessions.get(job);
  let step = await session.beginSummary(jobId, incarnation);
  let chunks = 0;
  let makeshifts = 0;
  for (; step.next === "call" && chunks < MAX_CHUNKS; chunks += 1) {
    const { lease } = step;
    const asked = await askSummarizer(step, tenant, parts);
    if (asked.kind === "failure") {
      const { reason, retryAfterSeconds, usage } = asked;
      const report = await session.noteFailure(jobId, incarnation, {
        reason,
        lease,
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        ...(usage === undefined ? {} : { usage }),
      });
      await reportFailure(parts, job, reason, report);
      await noteSpent(parts, job.tenant, usage);
      return ACK;
    }
    if (asked.isMakeshift) {
      makeshifts += 1;
      parts.log.warn("summary_degraded", { jobId, reason: asked.reason });
    }
    step = await session.saveAnswer(jobId, incarnation, lease, asked.answer, asked.isMakeshift);
    await noteSpent(parts, job.tenant, asked.answer.usage);
  }
  if (step.next === "wait") return { verdict: "retry", delaySeconds: step.seconds };
  if (step.next === "call") throw new Error(`a summary is not done after ${MAX_CHUNKS} chunks`);
  if (chunks > 0) {
    parts.log.info("summarized", { jobId, chunks, makeshifts, durationMs: Date.now() - startedAt });
    await reportRecovery(parts, job, step.failures);
  }
  return ACK;
}

/** Counts what was spent against the tenant's budget, after the answer is safe. A tenant out of reach costs the count, not the summary. */
async function noteSpent(parts: PipelineParts, tenant: string, usage: SummarizerUsage | undefined): Promise<void> {
  if (usage === undefined) return;
  try {
    await parts.tenants.spend(tenant, usage);
  } catch (error) {
    parts.log.warn("spending_not_counted", { tenant, ...errorFields(error) });
  }
}
