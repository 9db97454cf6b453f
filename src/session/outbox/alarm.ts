import type { JobMessage } from "../../api/job.ts";
import { createLateWorkClient, type LateWork, type LateWorkNamespace } from "../../control/late-work-client.ts";
import { backlogWaitMs, type TakenByQueue } from "../../telemetry/backlog.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { eraseSession } from "../erase/index.ts";
import type { Transactions } from "../transactions.ts";
import type { Unit } from "../unit.ts";
import type { PendingAuditRow } from "./audit-store.ts";
import { noteAuditNotSent, takeDueAudits } from "./audit.ts";
import { scheduleIdleWork } from "./idle-schedule.ts";
import { noteBacklog, noteNotSent, takeDueJobs } from "./jobs.ts";
import { oldestLate } from "./late-work.ts";
import { isLeftOver } from "./next-wake.ts";

/** Where an alarm sends what is due. */
export interface OutboxQueues {
  readonly SUMMARIZE_QUEUE: Queue;
  readonly ARCHIVE_QUEUE: Queue;
  readonly AUDIT_QUEUE: Queue;
  readonly OPERATIONS: LateWorkNamespace;
}

interface Due {
  readonly jobs: JobMessage[];
  readonly audits: PendingAuditRow[];
  readonly late: LateWork | null;
}

const log = createLog();
/** Shared by the sessions of an isolate. */
const lateWork = createLateWorkClient(log);

/** The alarm rings: what silence calls for goes into the outbox, and what is due in it to the queues. */
export async function ringAlarm(calls: Transactions, queues: OutboxQueues): Promise<void> {
  calls.rings();
  const unit = calls.unit();
  if (unit.row === null || isLeftOver(unit)) {
    // Nothing is left but what nobody came back for, or the count of a day, which is over.
    await calls.vanish();
    return;
  }
  calls.eraseSlice();
  // Marked and armed again before anything that can fail: a crash from here on costs a delay, never the work.
  const { jobs, audits, late } = calls.change(takeDue);
  // Told before it is sent: told afterwards, the consumer could have settled it already.
  await lateWork.note(queues.OPERATIONS, late);
  await Promise.all([sendAudits(calls, queues, audits), ...jobs.map((message) => sendJob(calls, queues, message))]);
}

function takeDue(unit: Unit): Due {
  const { row } = unit;
  if (isAbandoned(unit)) eraseSession(unit);
  else if (row?.erasedAt === null && row.expiredAt === null && row.copying === null) scheduleIdleWork(unit);
  return {
    jobs: takeDueJobs(unit, Math.random),
    audits: takeDueAudits(unit, Math.random),
    late: oldestLate(unit),
  };
}

/** Whether it is an import whose file stopped coming. */
function isAbandoned({ row, now }: Unit): boolean {
  return row?.erasedAt === null && row.copying?.kind === "import" && row.copying.until <= now;
}

async function sendJob(calls: Transactions, queues: OutboxQueues, message: JobMessage): Promise<void> {
  const isForModel = message.kind === "summarize" || message.kind === "embed";
  const queue = isForModel ? queues.SUMMARIZE_QUEUE : queues.ARCHIVE_QUEUE;
  try {
    const taken: TakenByQueue | undefined = await queue.send(message);
    const waitedMs = backlogWaitMs(taken, Date.now());
    // A queue that is behind is given the time that it takes.
    if (waitedMs > 0) calls.changeIfLeft((unit) => noteBacklog(unit, message, waitedMs, Math.random()));
  } catch (error) {
    log.warn("job_not_sent", { jobId: message.jobId, kind: message.kind, ...errorFields(error) });
    calls.changeIfLeft((unit) => noteNotSent(unit, message.jobId, Math.random()));
  }
}

/** What the queue has taken is pending no more: the queue keeps it, and an event that comes twice is stored once. */
async function sendAudits(
  calls: Transactions,
  queues: OutboxQueues,
  audits: readonly PendingAuditRow[],
): Promise<void> {
  for (const audit of audits) {
    try {
      await queues.AUDIT_QUEUE.send({ v: 1, events: audit.events });
      calls.changeIfLeft(({ store }) => store.audit.settle(audit.id));
    } catch (error) {
      log.warn("audit_not_sent", { events: audit.events.length, ...errorFields(error) });
      calls.changeIfLeft((unit) => noteAuditNotSent(unit, audit, Math.random()));
    }
  }
  if (audits.length > 0) await calls.vanishIfDone();
}
