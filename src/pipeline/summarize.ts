import type { SummarizerAnswer, SummarizerRequest } from "../contracts/summarizer.ts";
import { SummarizerError } from "../summarizer/client.ts";
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
  // The object sends it again by itself, and so goes on once the tenant does.
  if ((await parts.tenants.read(job.tenant)).summarization === "paused") return ACK;
  const session = parts.sessions.get(job);
  let step = await session.beginSummary(jobId, incarnation);
  let chunks = 0;
  for (; step.next === "call" && chunks < MAX_CHUNKS; chunks += 1) {
    const { lease, request } = step;
    let answer;
    try {
      answer = request.messages.length === 0 ? unchanged(request) : await parts.summarizer.summarize(request);
    } catch (error) {
      if (!(error instanceof SummarizerError)) throw error;
      const failure = { reason: `summarizer ${error.kind}`, lease, ...retryAfter(error) };
      const report = await session.noteFailure(jobId, incarnation, failure);
      await reportFailure(parts, job, failure.reason, report);
      return ACK;
    }
    step = await session.saveAnswer(jobId, incarnation, lease, answer);
  }
  if (step.next === "wait") return { verdict: "retry", delaySeconds: step.seconds };
  if (step.next === "call") throw new Error(`a summary is not done after ${MAX_CHUNKS} chunks`);
  if (chunks > 0) {
    parts.log.info("summarized", { jobId, chunks, durationMs: Date.now() - startedAt });
    await reportRecovery(parts, job, step.failures);
  }
  return ACK;
}

/** All that was said in this range is erased: nobody needs to be asked, or paid, about it. */
function unchanged({ previous }: SummarizerRequest): SummarizerAnswer {
  return { items: previous, model: "none" };
}

function retryAfter(error: SummarizerError): { retryAfterSeconds?: number } {
  return error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds };
}
