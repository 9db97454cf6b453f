import { type JobKind, jobMessageSchema, userJobMessageSchema } from "../contracts/job.ts";
import { errorFields } from "../telemetry/redact.ts";
import { archiveBatch } from "./archive.ts";
import { buryAudit, storeAudit } from "./audit.ts";
import { carryOver } from "./carry-over.ts";
import { type Delivery, type PipelineParts, retryLater, type Verdict } from "./delivery.ts";
import { eraseCopies } from "./erase-copies.ts";
import { eraseUser } from "./erase-user.ts";
import { expireSession } from "./expire.ts";
import { recordDeadLetter } from "./failed.ts";
import { copyFork } from "./fork.ts";
import { summarizeSession } from "./summarize.ts";

/** What the queue of audit events is called, before the name of its environment. */
const AUDIT_QUEUE = "threadkeep-audit";

/** Handles a batch of any of our queues. Each message is acknowledged or retried by itself: a throw would run paid calls again. */
export async function consume(batch: Pick<MessageBatch, "queue" | "messages">, parts: PipelineParts): Promise<void> {
  if (batch.queue.startsWith(AUDIT_QUEUE)) {
    const isDead = batch.queue.startsWith(`${AUDIT_QUEUE}-failed`);
    const verdicts = isDead ? buryAudit(batch.messages, parts) : await storeAudit(batch.messages, parts);
    for (const [index, message] of batch.messages.entries()) {
      apply(message, verdicts[index] ?? retryLater(message.attempts));
    }
    return;
  }
  if (batch.queue.includes("-failed")) {
    await Promise.all(
      batch.messages.map((message) =>
        settle(message, parts, () => recordDeadLetter(message.body, message.attempts, parts)),
      ),
    );
    return;
  }
  const deliveries: { message: Message; delivery: Delivery }[] = [];
  const erasures: Promise<void>[] = [];
  for (const message of batch.messages) {
    const parsed = jobMessageSchema.safeParse(message.body);
    const ofUser = userJobMessageSchema.safeParse(message.body);
    if (parsed.success) {
      deliveries.push({ message, delivery: { job: parsed.data, attempts: message.attempts } });
    } else if (ofUser.success) {
      erasures.push(settle(message, parts, () => eraseUser(ofUser.data, parts)));
    } else {
      // Of a later version of this code, perhaps: it goes round until that version is back, or to the dead letters.
      parts.log.warn("job_not_understood", { queue: batch.queue, attempts: message.attempts });
      apply(message, retryLater(message.attempts));
    }
  }
  const archives = deliveries.filter(({ delivery }) => BY_SESSION[delivery.job.kind] === undefined);
  await Promise.all([
    ...deliveries.map(async ({ message, delivery }) => {
      const handle = BY_SESSION[delivery.job.kind];
      if (handle !== undefined) await settle(message, parts, () => handle(delivery, parts));
    }),
    settleArchives(archives, parts),
    ...erasures,
  ]);
}

/** What is done for one session by itself. The other kinds are written to the archive, many in one transaction. */
const BY_SESSION: Partial<Record<JobKind, (delivery: Delivery, parts: PipelineParts) => Promise<Verdict>>> = {
  summarize: summarizeSession,
  fork: copyFork,
  restore: carryOver,
  expire: expireSession,
  "erase-copies": eraseCopies,
};

async function settleArchives(
  archives: readonly { message: Message; delivery: Delivery }[],
  parts: PipelineParts,
): Promise<void> {
  if (archives.length === 0) return;
  let verdicts: readonly Verdict[] = [];
  try {
    verdicts = await archiveBatch(
      archives.map(({ delivery }) => delivery),
      parts,
    );
  } catch (error) {
    // Thrown on, it would end the handler amid the calls of models that run beside it.
    parts.log.error("delivery_failed", { sessions: archives.length, ...errorFields(error) });
  }
  for (const [index, { message }] of archives.entries()) {
    apply(message, verdicts[index] ?? retryLater(message.attempts));
  }
}

async function settle(message: Message, parts: PipelineParts, body: () => Promise<Verdict>): Promise<void> {
  try {
    apply(message, await body());
  } catch (error) {
    parts.log.error("delivery_failed", { attempts: message.attempts, ...errorFields(error) });
    apply(message, retryLater(message.attempts));
  }
}

function apply(message: Message, verdict: Verdict): void {
  if (verdict.verdict === "ack") message.ack();
  else message.retry({ delaySeconds: verdict.delaySeconds });
}
