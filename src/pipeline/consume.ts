import { type JobMessage, jobMessageSchema } from "../contracts/job.ts";
import type { OperationsClient } from "../registry/operations-client.ts";
import type { SessionClient } from "../session/client.ts";
import type { SummarizerClient } from "../summarizer/client.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { Log } from "../telemetry/log.ts";
import type { Database } from "../archive/database.ts";
import { archiveBatch } from "./archive.ts";
import { recordDeadLetter } from "./failed.ts";
import { summarizeSession } from "./summarize.ts";

/** What the consumers are made of; the entry hands it over. */
export interface PipelineParts {
  readonly sessions: SessionClient;
  readonly operations: OperationsClient;
  readonly summarizer: SummarizerClient;
  /** Runs a body on a connection of its own. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>) => Promise<T>;
  readonly log: Log;
}

/** What becomes of a delivery. The object owes the work until it is confirmed, so an acknowledged delivery loses nothing. */
export type Verdict =
  | { readonly verdict: "ack" }
  | { readonly verdict: "retry"; readonly delaySeconds: number };

export const ACK: Verdict = { verdict: "ack" };

/** A message whose object is out of reach comes back after this, doubled by attempt. */
const UNREACHABLE_DELAY_SECONDS = 5;
const MAX_UNREACHABLE_DELAY_SECONDS = 300;

/** A delivery with a body that was understood. */
export interface Delivery {
  readonly job: JobMessage;
  readonly attempts: number;
}

export function retryLater(attempts: number): Verdict {
  return {
    verdict: "retry",
    delaySeconds: Math.min(
      MAX_UNREACHABLE_DELAY_SECONDS,
      UNREACHABLE_DELAY_SECONDS * 2 ** Math.max(0, attempts - 1),
    ),
  };
}

/** Handles a batch of any of our queues. Each message is acknowledged or retried by itself: a throw would run paid calls again. */
export async function consume(batch: MessageBatch, parts: PipelineParts): Promise<void> {
  if (batch.queue.includes("-failed")) {
    await Promise.all(
      batch.messages.map((message) => settle(message, parts, () => recordDeadLetter(message.body, message.attempts, parts))),
    );
    return;
  }
  const deliveries: { message: Message; delivery: Delivery }[] = [];
  for (const message of batch.messages) {
    const parsed = jobMessageSchema.safeParse(message.body);
    if (parsed.success) {
      deliveries.push({ message, delivery: { job: parsed.data, attempts: message.attempts } });
    } else {
      // Of a later version of this code, perhaps: it goes round until that version is back, or to the dead letters.
      parts.log.warn("job_not_understood", { queue: batch.queue, attempts: message.attempts });
      apply(message, retryLater(message.attempts));
    }
  }
  const archives = deliveries.filter(({ delivery }) => delivery.job.kind === "archive");
  const summaries = deliveries.filter(({ delivery }) => delivery.job.kind === "summarize");
  await Promise.all([
    ...summaries.map(({ message, delivery }) =>
      settle(message, parts, () => summarizeSession(delivery, parts)),
    ),
    settleArchives(archives, parts),
  ]);
}

async function settleArchives(
  archives: readonly { message: Message; delivery: Delivery }[],
  parts: PipelineParts,
): Promise<void> {
  if (archives.length === 0) return;
  const verdicts = await archiveBatch(
    archives.map(({ delivery }) => delivery),
    parts,
  );
  for (const [index, { message }] of archives.entries()) {
    apply(message, verdicts[index] ?? retryLater(message.attempts));
  }
}

async function settle(
  message: Message,
  parts: PipelineParts,
  body: () => Promise<Verdict>,
): Promise<void> {
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
