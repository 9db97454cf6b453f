import type { JobMessage } from "../api/job.ts";
import { sessionName, TENANT_OWNER } from "../api/session.ts";
import type { Database } from "../archive/database.ts";
import { type ArchiveResult, type ArchiveWrite, changeSessions, ping } from "../archive/sessions.ts";
import { eraseUserRows } from "../archive/users.ts";
import { takeOffList } from "../directory/listing-client.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type Delivery, type PipelineDeps, retryLater, type Verdict, waitOut } from "./delivery.ts";
import { gatherReports } from "./gather-reports.ts";
import { reasonOf, reportFailure, reportRecovery, reportSetAside, settleOver } from "./report.ts";

/** What a session asks of the archive: to store what the archive lacks, or to erase what it has of the session. */
type ArchiveTask =
  | {
      readonly kind: "write";
      readonly write: ArchiveWrite & { readonly version: number; readonly messageSeq: number };
    }
  | {
      readonly kind: "erasure";
      readonly createdAt: number;
      readonly settles: readonly string[];
      readonly grantedAt: number;
    };

/** A delivery whose session has not been read yet, with its index in the batch. */
interface Unread {
  readonly delivery: Delivery;
  readonly index: number;
}

interface Pending extends Unread {
  readonly task: ArchiveTask;
  /** Approximate size in memory. */
  readonly bytes: number;
  /** An earlier attempt failed, so the job may be on the operators' list of failures. */
  readonly hasFailed: boolean;
}

/**
 * How many session objects are read concurrently. Each may return one page (at least one message) and one changed
 * message, of up to 4 MiB each.
 */
const READ_AT_ONCE = 4;
/**
 * Once the data read from the sessions exceeds this, it is written before more is read. Together with the READ_AT_ONCE
 * reads in flight, memory stays under half of an isolate's 128 MB, even if every message has the maximum size.
 */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/**
 * Once the changes of a statement exceed this, the others go into the next one: the JSON and its bytes for PostgreSQL
 * are held besides the changes, and a statement ends well before its 20 seconds. It may be exceeded by one session.
 */
const MAX_STATEMENT_BYTES = 4 * 1024 * 1024;

/**
 * Writes the pending changes of many sessions to PostgreSQL: one connection and one statement, with a savepoint for
 * each session, so that a row that PostgreSQL refuses holds up neither the other sessions nor the session's other rows.
 * Each session is confirmed only after the commit; until then it keeps the job pending. What would take too much memory
 * at once is written in several rounds.
 *
 * While PostgreSQL is out of reach, no session object is called: the queue delivers the messages again, and operators
 * see one entry that counts them.
 */
export async function archiveBatch(deliveries: readonly Delivery[], parts: PipelineDeps): Promise<Verdict[]> {
  const startedAt = Date.now();
  const verdicts: Verdict[] = deliveries.map(() => ACK);
  // All batches lock rows in the same order; otherwise two batches with the same sessions could deadlock.
  const unread = deliveries
    .map((delivery, index): Unread => ({ delivery, index }))
    .sort((a, b) => (lockName(a) < lockName(b) ? -1 : 1));
  let sessions = 0;
  let pending: Pending[] = [];
  try {
    // Checked before any session is read: a connection from the pool may be dead.
    await parts.withDatabase(ping);
    while (unread.length > 0) {
      pending = await readSome(unread, verdicts, parts);
      const results = pending.length === 0 ? [] : await parts.withDatabase((database) => writeAll(database, pending));
      await confirmSome(pending, results, verdicts, parts);
      sessions += pending.length;
      pending = [];
    }
  } catch (error) {
    const left = [...pending, ...unread];
    parts.log.warn("archive_unreachable", { sessions: left.length, ...errorFields(error) });
    for (const { delivery, index } of left) verdicts[index] = waitOut(delivery.attempts, Math.random());
    await parts.archiveOutage.note(left.length, `archive: ${reasonOf(error)}`);
    return verdicts;
  }
  // A repeated delivery or a repeated send may have been waiting for PostgreSQL, which is back now.
  if (deliveries.some(({ attempts, job }) => attempts > 1 || job.sends > 1)) await parts.archiveOutage.over();
  if (sessions > 0) parts.log.info("archived", { sessions, durationMs: Date.now() - startedAt });
  return verdicts;
}

/**
 * Removes deliveries from `unread` and reads the changes of their sessions, until all are read or MAX_HELD_BYTES is
 * reached.
 */
async function readSome(unread: Unread[], verdicts: Verdict[], parts: PipelineDeps): Promise<Pending[]> {
  const pending: Pending[] = [];
  for (let bytes = 0; unread.length > 0 && bytes < MAX_HELD_BYTES;) {
    const read = await Promise.all(
      unread.splice(0, READ_AT_ONCE).map(async ({ delivery, index }): Promise<Pending | null> => {
        const { job } = delivery;
        try {
          const task = await readTask(job, parts);
          if (task !== null) return { delivery, index, ...task };
          await settleOver(parts, delivery);
        } catch (error) {
          parts.log.error("session_unreachable", { jobId: job.jobId, ...errorFields(error) });
          verdicts[index] = retryLater(delivery.attempts);
        }
        return null;
      }),
    );
    for (const entry of read) {
      if (entry === null) continue;
      bytes += entry.bytes;
      pending.push(entry);
    }
  }
  return pending;
}

async function confirmSome(
  pending: readonly Pending[],
  results: readonly ArchiveResult[],
  verdicts: Verdict[],
  given: PipelineDeps,
): Promise<void> {
  const { run, report } = gatherReports(pending.length, given.operations.report);
  const parts: PipelineDeps = { ...given, operations: { ...given.operations, report } };
  await Promise.all(
    pending.map((entry, at) =>
      run(async () => {
        try {
          await confirm(entry, results[at] ?? { refused: "no result" }, parts);
        } catch (error) {
          parts.log.error("session_unreachable", { jobId: entry.delivery.job.jobId, ...errorFields(error) });
          verdicts[entry.index] = retryLater(entry.delivery.attempts);
        }
      }),
    ),
  );
}

async function readTask(job: JobMessage, parts: PipelineDeps): Promise<Omit<Pending, keyof Unread> | null> {
  const session = parts.sessions.get(job);
  if (job.kind === "erase") {
    const erasure = await session.readErasure(job.jobId, job.epoch);
    if (erasure === null) return null;
    const { createdAt, hasFailed, settles, grantedAt } = erasure;
    return { task: { kind: "erasure", createdAt, settles, grantedAt }, bytes: 0, hasFailed };
  }
  const write = await session.readArchiveDelta(job.jobId, job.epoch);
  if (write === null) return null;
  return { task: { kind: "write", write }, bytes: write.bytes, hasFailed: write.hasFailed };
}

function lockName({ delivery: { job } }: Unread): string {
  return sessionName(job);
}

async function writeAll(database: Database, pending: readonly Pending[]): Promise<ArchiveResult[]> {
  const results: ArchiveResult[] = [];
  while (results.length < pending.length) {
    const some: Pending[] = [];
    for (let bytes = 0; bytes < MAX_STATEMENT_BYTES;) {
      const entry = pending[results.length + some.length];
      if (entry === undefined) break;
      bytes += entry.bytes;
      some.push(entry);
    }
    results.push(...(await changeSessions(database, some.map(changeOf))));
  }
  return results;
}

function changeOf({ delivery: { job }, task }: Pending): Parameters<typeof changeSessions>[1][number] {
  if (task.kind === "write") return task.write;
  const { tenant, owner, session, epoch } = job;
  return { ref: { tenant, owner, session }, epoch, createdAt: task.createdAt };
}

async function confirm(
  { delivery, task, hasFailed }: Pending,
  result: ArchiveResult,
  parts: PipelineDeps,
): Promise<void> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  if (typeof result === "object" && "refused" in result) {
    const reason = `archive: ${result.refused}`;
    const report = await session.noteFailure(jobId, epoch, { reason });
    await reportFailure(parts, job, reason, report);
  } else if (task.kind === "erasure") {
    await forgetTombstone(job, parts);
    const heldUntil = await takeOffList(parts.directory, job, task.grantedAt, () => session.listing());
    if (heldUntil !== null) {
      await session.postponeErasure(jobId, epoch, heldUntil);
      return;
    }
    // Before the session confirms, because it then forgets these ids. If the list is out of reach, this throws and the
    // job is delivered again.
    for (const ended of task.settles) await parts.operations.clear(ended);
    const hasFailedSince = await session.confirmErased(jobId, epoch);
    await reportRecovery(parts, delivery, hasFailed || hasFailedSince);
  } else if (result === "behind") {
    parts.log.warn("archive_behind", { jobId });
    await session.forgetArchived(jobId, epoch);
  } else if (typeof result === "object" && "outrankedBy" in result) {
    parts.log.warn("archive_outranked", { jobId });
    await session.forgetArchived(jobId, epoch, result.outrankedBy);
  } else {
    const { rev, version, messageSeq } = task.write;
    const aside = typeof result === "object" ? result.setAside : null;
    // Before the session confirms, because after that nothing would report these rows again.
    if (aside !== null) await reportSetAside(parts, job, aside);
    const setAside = aside === null ? {} : { setAside: aside.total };
    const hasFailedSince = await session.confirmArchived(jobId, epoch, { rev, version, messageSeq, ...setAside });
    await reportRecovery(parts, delivery, hasFailed || hasFailedSince);
  }
}

/**
 * A session's erasure may be confirmed after that of its whole user. Its tombstone in the archive would then name an
 * erased user, so it is deleted. While the user's erasure is still running, that erasure finds the tombstone itself.
 */
async function forgetTombstone(job: JobMessage, parts: PipelineDeps): Promise<void> {
  if (job.owner === TENANT_OWNER) return;
  const erasure = await parts.users.readErasure(job);
  if (erasure?.state === "erased") await parts.withDatabase((database) => eraseUserRows(database, job));
}
