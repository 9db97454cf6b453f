import type { JobMessage } from "../api/job.ts";
import { sessionName, TENANT_OWNER } from "../api/session.ts";
import type { Database } from "../archive/database.ts";
import { actForTenant } from "../archive/reach.ts";
import { applyArchiveWrite, applyErasure, type ArchiveResult, type ArchiveWrite, ping } from "../archive/sessions.ts";
import { rowFaultOf } from "../archive/set-aside.ts";
import { eraseUserRows } from "../archive/users.ts";
import { takeOffList } from "../directory/listing-client.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type Delivery, type PipelineDeps, retryLater, type Verdict, waitOut } from "./delivery.ts";
import { gatherReports } from "./gather-reports.ts";
import { reasonOf, reportFailure, reportRecovery, reportSetAside, settleOver } from "./report.ts";

/** What the object owes the archive: what it lacks, or that it forgets. */
type ArchiveTask =
  | {
      readonly kind: "write";
      readonly write: ArchiveWrite & { readonly version: number; readonly messageSeq?: number | undefined };
    }
  | {
      readonly kind: "erasure";
      readonly createdAt: number;
      readonly settles: readonly string[];
      readonly grantedAt: number;
    };

/** A delivery with its place in the batch. */
interface Unread {
  readonly delivery: Delivery;
  readonly index: number;
}

interface Pending extends Unread {
  readonly task: ArchiveTask;
  /** About how much of it is held. */
  readonly bytes: number;
  /** Operators may know of it. */
  readonly hasFailed: boolean;
}

/** Objects that are read at a time: each may give a page of one message, and a changed one, of 4 MiB each. */
const READ_AT_ONCE = 4;
/**
 * What is held of what the objects gave: once it is more, it is written before the next are read. With those that were read at the same
 * time it stays under half of the 128 MB that an isolate has, though each of them may hold the largest message that there is.
 */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/**
 * Writes what the archive lacks of many sessions: one connection, one transaction, a savepoint for each, so that one bad row
 * holds up no other session, and no more of its own than itself. Confirmed to each object only after the commit; until then the object keeps it.
 * What is too much to be held at once is written in several such rounds.
 *
 * Without PostgreSQL no object is asked or told anything: the queue brings the messages again, and operators see one entry that counts them.
 */
export async function archiveBatch(deliveries: readonly Delivery[], parts: PipelineDeps): Promise<Verdict[]> {
  const startedAt = Date.now();
  const verdicts: Verdict[] = deliveries.map(() => ACK);
  // Rows are locked in one order, or two batches with the same sessions could wait for each other.
  const unread = deliveries
    .map((delivery, index): Unread => ({ delivery, index }))
    .sort((a, b) => (lockName(a) < lockName(b) ? -1 : 1));
  let sessions = 0;
  let pending: Pending[] = [];
  try {
    // Before anything is read: a connection that was taken may still lead nowhere.
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
  // Whatever comes again may have waited for PostgreSQL.
  if (deliveries.some(({ attempts, job }) => attempts > 1 || job.sends > 1)) await parts.archiveOutage.over();
  if (sessions > 0) parts.log.info("archived", { sessions, durationMs: Date.now() - startedAt });
  return verdicts;
}

/** Takes deliveries off the list, and reads what their objects owe, until that is much. */
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
  results: readonly (ArchiveResult | Error)[],
  verdicts: Verdict[],
  given: PipelineDeps,
): Promise<void> {
  const { run, report } = gatherReports(pending.length, given.operations.report);
  const parts: PipelineDeps = { ...given, operations: { ...given.operations, report } };
  await Promise.all(
    pending.map((entry, at) =>
      run(async () => {
        try {
          await confirm(entry, results[at] ?? new Error("no result"), parts);
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
    const { createdAt, hasFailed, settles = [], grantedAt = 0 } = erasure;
    return { task: { kind: "erasure", createdAt, settles, grantedAt }, bytes: 0, hasFailed };
  }
  const write = await session.readArchiveDelta(job.jobId, job.epoch);
  if (write === null) return null;
  return { task: { kind: "write", write }, bytes: write.bytes, hasFailed: write.hasFailed };
}

function lockName({ delivery: { job } }: Unread): string {
  return sessionName(job);
}

/** What PostgreSQL refuses for a row of it is written once more, row by row, around those that it refuses. */
async function applyWithin(transaction: Database, entry: Pending): Promise<ArchiveResult> {
  try {
    return await transaction.transaction((savepoint) => apply(savepoint, entry, false));
  } catch (error) {
    if (entry.task.kind === "erasure" || rowFaultOf(error) === null) throw error;
    return transaction.transaction((savepoint) => apply(savepoint, entry, true));
  }
}

async function apply(
  database: Database,
  { delivery: { job }, task }: Pending,
  isRowByRow: boolean,
): Promise<ArchiveResult> {
  if (task.kind === "write") return applyArchiveWrite(database, task.write, isRowByRow);
  await applyErasure(database, { ref: job, epoch: job.epoch, createdAt: task.createdAt });
  return "applied";
}

function writeAll(database: Database, pending: readonly Pending[]): Promise<(ArchiveResult | Error)[]> {
  return database.transaction(async (transaction) => {
    const results: (ArchiveResult | Error)[] = [];
    let acting: string | null = null;
    for (const entry of pending) {
      const { tenant } = entry.delivery.job;
      // Outside of the session's savepoint, which would take it back with a write that is refused. They come tenant by tenant.
      if (tenant !== acting) await actForTenant(transaction, tenant);
      acting = tenant;
      try {
        results.push(await applyWithin(transaction, entry));
      } catch (error) {
        results.push(asError(error));
      }
    }
    return results;
  });
}

async function confirm(
  { delivery, task, hasFailed }: Pending,
  result: ArchiveResult | Error,
  parts: PipelineDeps,
): Promise<void> {
  const { job } = delivery;
  const session = parts.sessions.get(job);
  const { jobId, epoch } = job;
  if (result instanceof Error) {
    const reason = `archive: ${reasonOf(result)}`;
    const report = await session.noteFailure(jobId, epoch, { reason });
    await reportFailure(parts, job, reason, report);
  } else if (task.kind === "erasure") {
    await forgetTombstone(job, parts);
    const heldUntil = await takeOffList(parts.directory, job, task.grantedAt, () => session.listing());
    if (heldUntil !== null) {
      await session.postponeErasure(jobId, epoch, heldUntil);
      return;
    }
    // Before the session confirms, which is the last to know of them. Without the list the job comes again.
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
    // Before the session confirms, which would not come again for it.
    if (aside !== null) await reportSetAside(parts, job, aside);
    const setAside = aside === null ? {} : { setAside: aside.total };
    const hasFailedSince = await session.confirmArchived(jobId, epoch, { rev, version, messageSeq, ...setAside });
    await reportRecovery(parts, delivery, hasFailed || hasFailedSince);
  }
}

/**
 * A session that was erased before its user may be confirmed only after that: its tombstone then names somebody who was erased. One
 * whose erasure is under way is looked for by that.
 */
async function forgetTombstone(job: JobMessage, parts: PipelineDeps): Promise<void> {
  if (job.owner === TENANT_OWNER) return;
  const erasure = await parts.users.readErasure(job);
  if (erasure?.state === "erased") await parts.withDatabase((database) => eraseUserRows(database, job));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("unknown");
}
