import type { EmbeddingUsage } from "../api/embedding.ts";
import type { JobMessage } from "../api/job.ts";
import type { TenantSettings } from "../api/tenant.ts";
import type { Embedder } from "../embedder/client.ts";
import { ProviderError } from "../provider/provider-error.ts";
import type { EmbeddingStep } from "../session/client.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { type ModelFailure, OVER_BUDGET, readModelFailure } from "./model-failure.ts";
import { reasonOf, reportFailure, reportRecovery, settleLate, settleOver } from "./report.ts";

/**
 * Embedding calls of one delivery, each with at most 64 texts. After that the job is sent again at once and continues.
 */
const MAX_CALLS = 100;

type CallStep = Extract<EmbeddingStep, { next: "call" }>;

/**
 * Handles an `embed` job: embeds the texts of a session that have no vector yet, because there was no time after their
 * summary was saved, or embedding failed.
 */
export async function embedSession(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const tenant = await parts.tenants.read(job.tenant);
  // While the tenant is paused, nothing is embedded. The session sends the job again by itself.
  if (tenant.summarization === "paused") {
    await settleLate(parts, job);
    return ACK;
  }
  if ((await embed(delivery, tenant, parts)) === "nothing") await settleOver(parts, delivery);
  return ACK;
}

/**
 * Embeds the messages that a summary has just covered, within the delivery of that summary. Errors are only logged,
 * because the summary's delivery must end normally: the `embed` job is pending anyway and is sent later.
 */
export async function embedSummarized(job: JobMessage, tenant: TenantSettings, parts: PipelineDeps): Promise<void> {
  try {
    await embed({ job, attempts: 1 }, tenant, parts);
  } catch (error) {
    parts.log.warn("embedding_broken_off", { jobId: job.jobId, ...errorFields(error) });
  }
}

/** @returns `nothing` if nothing was pending any more */
async function embed(delivery: Delivery, tenant: TenantSettings, parts: PipelineDeps): Promise<"nothing" | "tried"> {
  const { job } = delivery;
  const { jobId, epoch } = job;
  const { embedder } = parts;
  const session = parts.sessions.get(job);
  let step = await session.beginEmbedding(jobId, epoch, embedder?.model ?? null);
  let calls = 0;
  for (; step.next === "call"; calls += 1) {
    const { lease } = step;
    // For the type checker: a session returns no texts if there is no embedder.
    if (embedder === null) return "tried";
    if (calls >= MAX_CALLS) {
      await settleLate(parts, job);
      await session.putOff(jobId, epoch, { afterMs: 0, lease, hasProgressed: true });
      return "tried";
    }
    const made = await makeVectors(step, tenant, embedder);
    await noteSpent(parts, job.tenant, made.usage);
    if ("reason" in made) {
      const { reason, retryAfterSeconds } = made;
      const failure = {
        reason,
        lease,
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        ...(made.usage === undefined ? {} : { usage: { inputTokens: made.usage.inputTokens, outputTokens: 0 } }),
      };
      await reportFailure(parts, job, reason, await session.noteFailure(jobId, epoch, failure));
      return "tried";
    }
    const { model } = embedder;
    const { vectors, usage } = made;
    step = await session.saveVectors(jobId, epoch, lease, { model, vectors, usage });
  }
  if (step.next !== "done") return "tried";
  if (step.hasFailed || calls > 0) await reportRecovery(parts, delivery, step.hasFailed);
  if (calls > 0) parts.log.info("embedded", { jobId, calls });
  return calls > 0 || step.hasFailed ? "tried" : "nothing";
}

interface Made {
  readonly vectors: { readonly key: string; readonly vector: Float32Array }[];
  readonly usage: EmbeddingUsage;
}

async function makeVectors(
  { texts, isOverBudget }: CallStep,
  tenant: TenantSettings,
  embedder: Embedder,
): Promise<Made | ModelFailure<EmbeddingUsage>> {
  if (isOverBudget || tenant.isOverBudget) return OVER_BUDGET;
  try {
    const { vectors: made, usage } = await embedder.embed(texts.map(({ text }) => text));
    // The service may return fewer vectors than texts; the remaining texts are asked for again.
    const vectors = texts.flatMap(({ key }, at) => {
      const vector = made[at];
      return vector === undefined ? [] : [{ key, vector }];
    });
    return vectors.length === 0 ? { reason: "embedder invalid_answer", usage } : { vectors, usage };
  } catch (error) {
    if (!(error instanceof ProviderError)) return { reason: `embedder ${reasonOf(error)}` };
    return readModelFailure("embedder", error);
  }
}

/**
 * Counts the usage against the tenant's budget. If the tenant's object is out of reach, this usage is not counted, but
 * the vectors are kept.
 */
async function noteSpent(parts: PipelineDeps, tenant: string, usage: EmbeddingUsage | undefined): Promise<void> {
  if (usage === undefined) return;
  try {
    await parts.tenants.spendOnEmbeddings(tenant, usage);
  } catch (error) {
    parts.log.warn("spending_not_counted", { tenant, ...errorFields(error) });
  }
}
