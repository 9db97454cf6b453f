import { runInDurableObject } from "cloudflare:test";
import { unwrap } from "../../../src/api/errors.ts";
import type { SummarizeRequest } from "../../../src/api/job.ts";
import type { SessionRef } from "../../../src/api/session.ts";
import type { ChatSession } from "../../../src/session/object.ts";
import { Tables } from "../../../src/session/sqlite/tables.ts";
import { epochOf, stubAt } from "./object.ts";

/** The jobs of a session, which run only when the test says so. */

/**
 * Runs a body in the object and removes the alarm before it can fire, so that only the test delivers pending work.
 */
export function withoutAlarm<T>(ref: SessionRef, body: (session: ChatSession) => Promise<T>): Promise<T> {
  return runInDurableObject(stubAt(ref), async (session, state) => {
    const result = body(session);
    await state.storage.deleteAlarm();
    return result;
  });
}

/** Removes the alarm that a consumer's call has set, so that only the test sends. */
export function takeAlarm(ref: SessionRef): Promise<void> {
  return runInDurableObject(stubAt(ref), (_, state) => state.storage.deleteAlarm());
}

/** The rows of the session's outbox, each with what only its kind has, and with the summary that it has in progress. */
export function pendingJobs(ref: SessionRef): Promise<Record<string, unknown>[]> {
  const select = `SELECT jobs.*, draft, chunk_through_seq, invalidated_from_seq FROM jobs
    LEFT JOIN summaries_in_progress ON job_id = jobs.id ORDER BY kind`;
  return runInDurableObject(stubAt(ref), (_, state) =>
    new Tables(state.storage.sql)
      .group("jobs")
      .exec(select)
      .toArray()
      .map((row) => ({ ...row, details: JSON.parse(String(row["details"])) as unknown })),
  );
}

/** Requests a summary whose job only the test delivers. */
export async function scheduleSummary(
  ref: SessionRef,
  request: SummarizeRequest = { keepRecentTokens: 0 },
): Promise<{ jobId: string; epoch: string }> {
  const { job } = unwrap(await withoutAlarm(ref, (session) => session.summarize(request)));
  if (job === null) throw new Error("nothing to summarize");
  return { jobId: job.id, epoch: await epochOf(ref) };
}
