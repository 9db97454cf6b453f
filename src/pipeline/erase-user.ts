import { unwrap } from "../api/errors.ts";
import type { UserJobMessage } from "../api/job.ts";
import type { SessionRef } from "../api/session.ts";
import { type HeldRow, listHeldSessions } from "../archive/held.ts";
import { countUserRows, eraseUserRows } from "../archive/users.ts";
import type { SessionRemains } from "../directory/user-client.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import { ACK, type PipelineDeps, type Verdict } from "./delivery.ts";
import { clearFailure, reasonOf, reportFailure } from "./report.ts";

/** A delivery that has run for this long ends; the directory sends another. */
const MAX_ERASING_MS = 10_000;
/** A delivery that has called this many sessions ends too: Cloudflare allows 1,000 subrequests per invocation. */
const MAX_ASKED = 750;

/** Page size, in sessions, when the archive is asked for a user's sessions. */
const FOUND_AT_ONCE = 1_000;

/**
 * Erases a user. First all session objects are erased; once each reports that nothing is left and the archive has
 * confirmed it, everything else that names the user is erased. The user's directory decides on each step, and sends the
 * job again until a check of every place finds nothing.
 */
export async function eraseUser(job: UserJobMessage, given: PipelineDeps): Promise<Verdict> {
  const startedAt = Date.now();
  const traceId = traceIdOf(job.trace);
  const traceIds = traceId === undefined ? [] : [traceId];
  const parts: PipelineDeps = { ...given, withDatabase: (body) => given.withDatabase(body, traceIds) };
  try {
    for (let asked = 0; ;) {
      const step = await parts.users.nextErasureStep(job, job.jobId, startedAt);
      if (step === null) {
        // An attempt that reported a failure after the erasure had ended may have been unable to take it off the list.
        await parts.operations.clear(job.jobId);
        return ACK;
      }
      if (step.next === "places") {
        if (await findMore(job, parts)) continue;
        await eraseElsewhere(job, parts);
        return ACK;
      }
      await (step.next === "wipe" ? wipe(step.sessions, job, parts) : look(step.sessions, job, parts));
      asked += step.sessions.length;
      if (Date.now() - startedAt > MAX_ERASING_MS || asked > MAX_ASKED) return ACK;
    }
  } catch (error) {
    const reason = `erasure: ${reasonOf(error)}`;
    parts.log.warn("erasure_held_up", { jobId: job.jobId, traceId, ...errorFields(error) });
    const report = await parts.users.noteErasureFailure(job, job.jobId, reason);
    await reportFailure(parts, { ...job, session: "" }, reason, report);
    return ACK;
  }
}

async function wipe(sessions: readonly string[], job: UserJobMessage, parts: PipelineDeps): Promise<void> {
  const wiped: string[] = [];
  try {
    await forEach(sessions, async (session) => {
      const erased = await sessionOf(session, job, parts).erase(job.trace);
      if (!erased.ok && erased.fault.code !== "session_not_found") unwrap(erased);
      wiped.push(session);
    });
  } finally {
    await parts.users.noteWiped(job, job.jobId, wiped);
  }
}

async function look(sessions: readonly string[], job: UserJobMessage, parts: PipelineDeps): Promise<void> {
  // Pairs instead of an object: a session may be called like a property that every object has, such as `__proto__`.
  const looked: [session: string, remains: SessionRemains][] = [];
  try {
    await forEach(sessions, async (session) => {
      looked.push([session, await sessionOf(session, job, parts).remains()]);
    });
  } finally {
    await parts.users.noteLooked(job, job.jobId, looked);
  }
}

function sessionOf(session: string, { tenant, owner }: UserJobMessage, parts: PipelineDeps) {
  return parts.sessions.get({ tenant, owner, session });
}

/**
 * Runs `body` for all sessions concurrently; a session out of reach holds up none of the others. Throws the first
 * error.
 */
async function forEach(sessions: readonly string[], body: (session: string) => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(sessions.map(body));
  const failed = done.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/**
 * Adds sessions that the archive has and the user's list does not name, so that their objects are erased like the
 * others. There are usually none by then, because each session has its own rows in the archive erased.
 * @returns whether there were any
 */
async function findMore(job: UserJobMessage, parts: PipelineDeps): Promise<boolean> {
  const { tenant, owner } = job;
  return parts.withDatabase(async (database) => {
    let news = 0;
    let after: SessionRef | null = null;
    do {
      const held: HeldRow[] = await listHeldSessions(database, { tenant, owner }, { after, limit: FOUND_AT_ONCE });
      after = held.length < FOUND_AT_ONCE ? null : (held.at(-1) ?? null);
      const names = held.map(({ session }) => session);
      if (names.length > 0) news += await parts.users.noteFound(job, job.jobId, names);
    } while (after !== null);
    return news > 0;
  });
}

async function eraseElsewhere(job: UserJobMessage, parts: PipelineDeps): Promise<void> {
  const archive = await parts.withDatabase(async (database) => {
    const epochs = await eraseUserRows(database, job);
    return countUserRows(database, job, epochs);
  });
  await parts.operations.clearUser(job);
  const failedJobs = await parts.operations.countOfUser(job);
  const state = await parts.users.concludeErasure(job, job.jobId, { archive, failedJobs });
  parts.log.info("user_erasure", { jobId: job.jobId, traceId: traceIdOf(job.trace), state, archive, failedJobs });
  // A failure reported before the directory noted the end was listed because the erasure seemed to be running. It is
  // taken off the list now.
  if (state === "erased") await parts.operations.clearUser(job);
  if (state === "erased") await clearFailure(parts, job);
}
