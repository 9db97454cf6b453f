import { type JobKind, type JobMessage, jobMessageSchema, userJobMessageSchema } from "../api/job.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import { archiveBatch } from "./archive.ts";
import { buryAudit, storeAudit } from "./audit.ts";
import { carryOver } from "./carry-over.ts";
import { ACK, type Delivery, type PipelineDeps, retryLater, type Verdict } from "./delivery.ts";
import { embedSession } from "./embed.ts";
import { eraseCopies } from "./erase-copies.ts";
import { eraseUser } from "./erase-user.ts";
import { expireSession } from "./expire.ts";
import { recordDeadLetter } from "./failed.ts";
import { copyFork } from "./fork.ts";
import { gatherReports } from "./gather-reports.ts";
import { giveBack } from "./give-back.ts";
import { createJobLedger } from "./job-ledger.ts";
import { listSession } from "./list.ts";
import { type MeasuredOf, measuredJob, namesOf } from "./measured-job.ts";
import { summarizeSession } from "./summarize.ts";

/** Prefix of the audit queue's name; the name of the environment follows. */
const AUDIT_QUEUE = "threadkeep-audit";

/**
 * Handles a batch of any of the Worker's queues. Each message is acknowledged or retried by itself: a throw would make
 * the queue deliver the whole batch again, and its paid model calls with it.
 */
export async function consume(
  batch: Pick<MessageBatch, "queue" | "messages">,
  { metrics, ...given }: PipelineDeps,
): Promise<void> {
  const { queue, messages } = batch;
  if (queue.startsWith(AUDIT_QUEUE)) {
    const isDead = queue.startsWith(`${AUDIT_QUEUE}-failed`);
    const verdicts = isDead ? buryAudit(messages, given) : await storeAudit(messages, given);
    for (const [index, message] of messages.entries()) {
      apply(message, verdicts[index] ?? retryLater(message.attempts));
    }
    return;
  }
  const startedAt = Date.now();
  const ledger = createJobLedger();
  const parts: PipelineDeps = { ...given, ledger };
  const measure = (message: Message, verdict: Verdict, about: MeasuredOf): void => {
    const job = measuredJob(message, verdict, about, ledger, startedAt);
    metrics?.job(job);
    const { spent: _, ...measured } = job;
    parts.log.info("job", { ...measured, jobId: about.jobId, traceId: traceIdOf(about.trace) });
  };
  if (queue.includes("-failed")) {
    const { run, report } = gatherReports(messages.length, parts.operations.report);
    const gathering = { ...parts, operations: { ...parts.operations, report } };
    await Promise.all(
      messages.map(async (message) => {
        const verdict = await settle(message, parts, () =>
          run(() => recordDeadLetter(message.body, message.attempts, gathering)),
        );
        measure(message, verdict, { ...namesOf(message.body), isDead: true });
      }),
    );
    return;
  }
  const deliveries: { message: Message; delivery: Delivery }[] = [];
  const erasures: Promise<void>[] = [];
  for (const message of messages) {
    const parsed = jobMessageSchema.safeParse(message.body);
    const ofUser = userJobMessageSchema.safeParse(message.body);
    if (parsed.success) {
      deliveries.push({ message, delivery: { job: parsed.data, attempts: message.attempts } });
    } else if (ofUser.success) {
      erasures.push(
        settle(message, parts, () => eraseUser(ofUser.data, parts)).then((verdict) =>
          measure(message, verdict, ofUser.data),
        ),
      );
    } else {
      // Perhaps written by a later version of this code: it is retried until that version runs again, or it ends as a
      // dead letter.
      parts.log.warn("job_not_understood", { queue, attempts: message.attempts });
      const verdict = apply(message, retryLater(message.attempts));
      measure(message, verdict, { ...namesOf(message.body), isUnknown: true });
    }
  }
  const archives = deliveries.filter(({ delivery }) => BY_SESSION[delivery.job.kind] === null);
  await Promise.all([
    ...deliveries.map(async ({ message, delivery }) => {
      const handle = BY_SESSION[delivery.job.kind];
      if (handle === null) return;
      const verdict = await settle(message, parts, () => handle(delivery, parts), delivery.job);
      measure(message, verdict, delivery.job);
    }),
    settleArchives(archives, parts, measure),
    ...erasures,
  ]);
}

/**
 * Handlers of the kinds that concern one session each. Null: jobs of the kind are written to the archive, many in one
 * transaction.
 */
const BY_SESSION: Record<JobKind, ((delivery: Delivery, parts: PipelineDeps) => Promise<Verdict>) | null> = {
  summarize: summarizeSession,
  fork: copyFork,
  restore: carryOver,
  expire: expireSession,
  list: listSession,
  "erase-copies": eraseCopies,
  embed: embedSession,
  archive: null,
  erase: null,
};

async function settleArchives(
  archives: readonly { message: Message; delivery: Delivery }[],
  parts: PipelineDeps,
  measure: (message: Message, verdict: Verdict, about: MeasuredOf) => void,
): Promise<void> {
  if (archives.length === 0) return;
  const traceIds = archives.flatMap(({ delivery }) => traceIdOf(delivery.job.trace) ?? []);
  let verdicts: readonly Verdict[] = [];
  try {
    verdicts = await archiveBatch(
      archives.map(({ delivery }) => delivery),
      { ...parts, withDatabase: (body) => parts.withDatabase(body, traceIds) },
    );
  } catch (error) {
    // If this were thrown on, it would end the handler while model calls of other deliveries are still running.
    parts.log.error("delivery_failed", { sessions: archives.length, ...errorFields(error) });
  }
  for (const [index, { message, delivery }] of archives.entries()) {
    measure(message, apply(message, verdicts[index] ?? retryLater(message.attempts)), delivery.job);
  }
}

/** @param job if the handler throws, the session of this job is told of the failure, and sends the job again itself */
async function settle(
  message: Message,
  parts: PipelineDeps,
  body: () => Promise<Verdict>,
  job?: JobMessage,
): Promise<Verdict> {
  try {
    return apply(message, await body());
  } catch (error) {
    parts.log.error("delivery_failed", { attempts: message.attempts, ...errorFields(error) });
    // Jobs with a lease report a failed attempt to their session themselves.
    const isTold = job !== undefined && !LEASED.has(job.kind) && (await isGivenBack(job, error, parts));
    return apply(message, isTold ? ACK : retryLater(message.attempts));
  }
}

const LEASED: ReadonlySet<JobKind> = new Set(["summarize", "embed"]);

async function isGivenBack(job: JobMessage, failure: unknown, parts: PipelineDeps): Promise<boolean> {
  try {
    await giveBack(job, failure, parts);
    return true;
  } catch (error) {
    parts.log.error("session_unreachable", { jobId: job.jobId, ...errorFields(error) });
    return false;
  }
}

function apply(message: Message, verdict: Verdict): Verdict {
  if (verdict.verdict === "ack") message.ack();
  else message.retry({ delaySeconds: verdict.delaySeconds });
  return verdict;
}
