import type { JobMessage } from "../../api/job.ts";
import { createLateWorkClient, type LateWork, type LateWorkNamespace } from "../../control/late-work-client.ts";
import { type AuditQueueEnv, sendAuditEvents } from "../../telemetry/audit-queues.ts";
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

/** The bindings that an alarm sends due work to. */
export interface OutboxQueues extends AuditQueueEnv {
  readonly SUMMARIZE_QUEUE: Queue;
  readonly ARCHIVE_QUEUE: Queue;
  readonly OPERATIONS: LateWorkNamespace;
}

interface Due {
  readonly jobs: JobMessage[];
  readonly audits: PendingAuditRow[];
  readonly late: LateWork | null;
}

const log = createLog();
/** Shared by all sessions of an isolate. */
const lateWork = createLateWorkClient(log);

/**
 * Handles an alarm of the session's object: schedules the work that is due because the session is idle, and sends due
 * jobs and audit events to their queues.
 */
export async function ringAlarm(calls: Transactions, queues: OutboxQueues): Promise<void> {
  calls.rings();
  const unit = calls.unit();
  if (unit.row === null || isLeftOver(unit)) {
    // The session is erased and nothing is pending, or the object only held the counts of a day that is over. Delete
    // what is left.
    await calls.vanish();
    return;
  }
  calls.eraseSlice();
  // Due work is marked as sent, and the next alarm is set, before anything that can fail: a crash after this delays the
  // work but does not lose it.
  const { jobs, audits, late } = calls.change(takeDue);
  // Reported before the job is sent. If it were reported afterwards, a fast consumer could complete the job first, and
  // the report would stay.
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

/** Whether the session is an import whose client stopped sending the file. */
function isAbandoned({ row, now }: Unit): boolean {
  return row?.erasedAt === null && row.copying?.kind === "import" && row.copying.until <= now;
}

async function sendJob(calls: Transactions, queues: OutboxQueues, message: JobMessage): Promise<void> {
  const isForModel = message.kind === "summarize" || message.kind === "embed";
  const queue = isForModel ? queues.SUMMARIZE_QUEUE : queues.ARCHIVE_QUEUE;
  try {
    const taken: TakenByQueue | undefined = await queue.send(message);
    const waitedMs = backlogWaitMs(taken, Date.now());
    // If the queue has a backlog, the job is sent again later than usual: see `noteBacklog`.
    if (waitedMs > 0) calls.changeIfLeft((unit) => noteBacklog(unit, message, waitedMs, Math.random()));
  } catch (error) {
    log.warn("job_not_sent", { jobId: message.jobId, kind: message.kind, ...errorFields(error) });
    calls.changeIfLeft((unit) => noteNotSent(unit, message.jobId, Math.random()));
  }
}

/**
 * Sends audit events to their queue. Once the queue has accepted them they are deleted here: it keeps them, and an
 * event that is delivered twice is stored once.
 */
async function sendAudits(
  calls: Transactions,
  queues: OutboxQueues,
  audits: readonly PendingAuditRow[],
): Promise<void> {
  for (const audit of audits) {
    try {
      await sendAuditEvents(queues, audit.events);
      calls.changeIfLeft(({ store }) => store.audit.settle(audit.id));
    } catch (error) {
      log.warn("audit_not_sent", { events: audit.events.length, ...errorFields(error) });
      calls.changeIfLeft((unit) => noteAuditNotSent(unit, audit, Math.random()));
    }
  }
  if (audits.length > 0) await calls.vanishIfDone();
}
