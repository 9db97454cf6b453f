import { secretsOf } from "./chat-content.ts";
import { checkArchiveSettled } from "./check-archive.ts";
import { checkPendingWork } from "./check-session.ts";
import type { ModelSession } from "./model.ts";
import { heldIn, jobsOf, type SessionState, sessionOf } from "./rows.ts";
import { versionsOf } from "./simulated-archive.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** The page size for reading failed jobs. */
const MANY_FAILURES = 1_000;

/** What holds for a session once nothing is left to do. */
export function checkSettled(world: World, session: SimulatedSession): void {
  const { model, object } = session;
  const name = session.label;
  checkPendingWork(world, session);
  const pending = jobsOf(object).find(({ state }) => state === "pending");
  if (pending !== undefined) throw new Violation(10, `a job (${pending.kind}) of ${name} is pending for ever`);
  if (model === null && session.erasedEpochs.size > 0 && !object.disk.isEmpty() && !countsADay(object)) {
    throw new Violation(9, `${name} is erased everywhere, and its object is not empty`);
  }
  checkArchiveSettled(world, session);
  const row = sessionOf(object);
  if (model === null || row === null || model.status === "copying") return;
  if (model.status === "active" && heldIn(object)?.isDegraded === true) {
    throw new Violation(12, `nothing is pending, but ${name} has a fallback summary`);
  }
  checkSecrets(world, session, model, row);
  checkErasedAlong(world, session, model);
}

/** The day's usage is counted until the day is over, whatever happens to the session. */
function countsADay({ disk }: SimulatedSession["object"]): boolean {
  return disk.alarm !== null && disk.read("SELECT 1 FROM spent LIMIT 1").length > 0;
}

/** Promise 9: no text is stored except for that of the log, and of carried items that are not erased at their source. */
function checkSecrets(world: World, session: SimulatedSession, model: ModelSession, row: SessionState): void {
  const rightly = world.epochs.carried(row.epoch);
  for (const secret of secretsOf(model.log.map(({ content, metadata }) => [content, metadata]))) rightly.add(secret);
  const inObject = secretsOf(session.object.disk.dump());
  const left = model.status === "expired" ? inObject : inObject.filter((secret) => !rightly.has(secret));
  if (left.length > 0) throw new Violation(9, `${left.join(", ")} is gone, and the object of ${session.label} says it`);
  const inArchive = secretsOf(versionsOf(world.archive.copy, row.epoch)).filter((secret) => !rightly.has(secret));
  if (inArchive.length > 0) {
    throw new Violation(9, `${inArchive.join(", ")} is gone, and the archive of ${session.label} says it`);
  }
}

/** Promise 9: what was erased in the source of a fork is erased in the fork. */
function checkErasedAlong(world: World, session: SimulatedSession, model: ModelSession): void {
  const origin = world.epochs.forkedFrom(sessionOf(session.object)?.epoch ?? "");
  if (origin === undefined || model.status === "expired") return;
  for (const { seq, content } of model.log.slice(0, origin.throughSeq)) {
    if (content !== null && world.epochs.isErased(origin.epoch, seq)) {
      const source = world.epochs.get(origin.epoch)?.name ?? "its source";
      throw new Violation(9, `seq ${seq} is erased in ${source}, and its fork ${session.label} says it`);
    }
  }
}

/** What operators see once nothing is left to do: jobs that failed for good, and no jobs that are done. */
export async function checkDeadLetters(world: World): Promise<void> {
  const listed = await (await world.operations.instance()).list(MANY_FAILURES, null);
  for (const { jobId, kind, session, state } of listed) {
    // The call that should have removed it from the list failed.
    if (world.untold.has(jobId)) continue;
    const isThere = world.sessions.some(({ object }) => jobsOf(object).some(({ id }) => id === jobId));
    if (!isThere)
      throw new Violation(10, `a ${kind} of ${session} is done, but operators see it as ${state} (${jobId})`);
  }
}
