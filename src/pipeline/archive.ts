import type { Database } from "../archive/database.ts";
import { applyArchiveWrite, type ArchiveResult, type ArchiveWrite } from "../archive/sessions.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type Delivery, type PipelineParts, retryLater, type Verdict } from "./delivery.ts";
import { reportFailure, reportRecovery } from "./report.ts";

interface Pending {
  readonly delivery: Delivery;
  readonly index: number;
  readonly delta: ArchiveWrite & { readonly version: number; readonly failures: number };
}

/**
 * Writes what the archive lacks of many sessions: one connection, one transaction, a savepoint for each, so that one bad row
 * holds up nobody else. Confirmed to each object only after the commit; until then the object owes it.
 */
export async function archiveBatch(deliveries: readonly Delivery[], parts: PipelineParts): Promise<Verdict[]> {
  const startedAt = Date.now();
  const verdicts: Verdict[] = deliveries.map(() => ACK);
  const pending: Pending[] = [];
  await Promise.all(
    deliveries.map(async (delivery, index) => {
      const { job } = delivery;
      try {
        const delta = await parts.sessions.get(job).readArchiveDelta(job.jobId, job.incarnation);
        if (delta !== null) pending.push({ delivery, index, delta });
      } catch (error) {
        parts.log.error("session_unreachable", { jobId: job.jobId, ...errorFields(error) });
        verdicts[index] = retryLater(delivery.attempts);
      }
    }),
  );
  if (pending.length === 0) return verdicts;
  // Rows are locked in one order, or two batches with the same sessions could wait for each other.
  pending.sort((a, b) => (lockName(a) < lockName(b) ? -1 : 1));

  let results: readonly (ArchiveResult | Error)[];
  try {
    results = await parts.withDatabase((database) => writeAll(database, pending));
  } catch (error) {
    parts.log.warn("archive_unreachable", { sessions: pending.length, ...errorFields(error) });
    results = pending.map(() => asError(error));
  }
  await Promise.all(
    pending.map(async (entry, at) => {
      try {
        await confirm(entry, results[at] ?? new Error("no result"), parts);
      } catch (error) {
        parts.log.error("session_unreachable", {
          jobId: entry.delivery.job.jobId,
          ...errorFields(error),
        });
        verdicts[entry.index] = retryLater(entry.delivery.attempts);
      }
    }),
  );
  parts.log.info("archived", { sessions: pending.length, durationMs: Date.now() - startedAt });
  return verdicts;
}

function lockName({ delta }: Pending): string {
  return `${delta.ref.tenant}/${delta.ref.owner}/${delta.ref.session}`;
}

function writeAll(database: Database, pending: readonly Pending[]): Promise<(ArchiveResult | Error)[]> {
  return database.transaction(async (transaction) => {
    const results: (ArchiveResult | Error)[] = [];
    for (const { delta } of pending) {
      try {
        results.push(await transaction.transaction((savepoint) => applyArchiveWrite(savepoint, delta)));
      } catch (error) {
        results.push(asError(error));
      }
    }
    return results;
  });
}

async function confirm(
  { delivery: { job }, delta }: Pending,
  result: ArchiveResult | Error,
  parts: PipelineParts,
): Promise<void> {
  const session = parts.sessions.get(job);
  const { jobId, incarnation } = job;
  if (result instanceof Error) {
    const reason = `archive: ${reasonOf(result)}`;
    const report = await session.noteFailure(jobId, incarnation, { reason });
    await reportFailure(parts, job, reason, report);
  } else if (result === "behind") {
    parts.log.warn("archive_behind", { jobId });
    await session.forgetArchived(jobId, incarnation);
  } else {
    await session.confirmArchived(jobId, incarnation, { rev: delta.rev, version: delta.version });
    await reportRecovery(parts, job, delta.failures);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("unknown");
}

/** What kind of failure it was. A database's own message may quote the data, so its code must do. */
function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
}
