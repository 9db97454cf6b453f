import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { JobKind, JobMessage } from "../../../src/api/job.ts";
import type { SessionRef } from "../../../src/api/session.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../../src/api/summarizer.ts";
import { UNSET_TENANT } from "../../../src/api/tenant.ts";
import { withDatabase } from "../../../src/archive/database.ts";
import { createOperationsClient } from "../../../src/control/client.ts";
import { createDirectoryClient } from "../../../src/directory/client.ts";
import { createUserClient } from "../../../src/directory/user-client.ts";
import { consume } from "../../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../../src/pipeline/delivery.ts";
import { createSessionClient } from "../../../src/session/client.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { pendingJobs, scheduleSummary, withoutAlarm } from "./jobs.ts";
import { sessionAt } from "./object.ts";

/** Background work that only the test delivers. */

/** The consumers' dependencies as in production, except for a summarizer that repeats its input. */
export function pipelineDeps(change: Partial<PipelineDeps> = {}): PipelineDeps {
  return {
    sessions: createSessionClient(env.CHAT_SESSION),
    directory: createDirectoryClient(env.DIRECTORY),
    users: createUserClient(env.DIRECTORY),
    tenants: { read: async () => UNSET_TENANT, spend: async () => undefined, spendOnEmbeddings: async () => undefined },
    fallback: null,
    embedder: null,
    archiveOutage: { note: async () => undefined, over: async () => undefined },
    operations: createOperationsClient(env.OPERATIONS),
    summarizer: { summarize: async (given) => quoting(given) },
    withDatabase: (body) => withDatabase(env.HYPERDRIVE.connectionString, body),
    log: createLog({ write: () => undefined }),
    ...change,
  };
}

/** Makes a summary of a session with the test's own answer. */
export async function summarizeBy(ref: SessionRef, answer: typeof quoting): Promise<void> {
  const { jobId, epoch } = await scheduleSummary(ref);
  const step = await sessionAt(ref).beginSummary(jobId, epoch);
  if (step.next !== "call") throw new Error("expected a call");
  await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, answer(step.request)));
}

/** Each message as an item, after the existing ones. */
export function quoting({ previous, messages }: SummarizerRequest): SummarizerAnswer {
  const items = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: text.split(". ")[0] ?? text,
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { model: "test", items: [...previous, ...items] };
}

/** The queue message of a session's pending job of some kind. */
export async function jobOf(ref: SessionRef, kind: JobKind): Promise<JobMessage> {
  const job = (await pendingJobs(ref)).find((row) => row["kind"] === kind);
  if (job === undefined) throw new Error(`no job of the kind ${kind} is pending`);
  return {
    v: 1,
    kind,
    ...ref,
    epoch: String(job["epoch"]),
    throughSeq: Number(job["through_seq"]),
    jobId: String(job["id"]),
    sends: Math.max(1, Number(job["sends"])),
  };
}

/** Delivers one message to the consumers. */
export async function deliver(
  body: JobMessage,
  parts: PipelineDeps = pipelineDeps(),
  attempts = 1,
): Promise<"acked" | "retried"> {
  const queue = body.kind === "summarize" ? "threadkeep-summarize" : "threadkeep-archive";
  const batch = createMessageBatch(queue, [{ id: "0", timestamp: new Date(), attempts, body }]);
  await consume(batch, parts);
  const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
  return explicitAcks.length === 1 ? "acked" : "retried";
}
