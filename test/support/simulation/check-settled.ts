import { secretsOf } from "./chat-content.ts";
import { checkArchiveSettled } from "./check-archive.ts";
import { checkOwedWork } from "./check-session.ts";
import type { ModelSession } from "./model.ts";
import { heldIn, jobsOf, originsOf, type SessionState, sessionOf } from "./rows.ts";
import { versionsOf } from "./simulated-archive.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What holds of a session once nothing is left to do. */
export function checkSettled(world: World, session: SimulatedSession): void {
  const { model, object } = session;
  const name = session.ref.session;
  checkOwedWork(world, session);
  const owed = jobsOf(object).find(({ state }) => state === "owed");
  if (owed !== undefined) throw new Violation(10, `a job (${owed.kind}) of ${name} is owed for ever`);
  if (model === null && session.erasedLives.size > 0 && object.disk.hasTable("session")) {
    throw new Violation(9, `${name} is erased everywhere, and its object is not empty`);
  }
  checkArchiveSettled(world, session);
  const row = sessionOf(object);
  if (model === null || row === null || model.status === "copying") return;
  if (model.status === "active" && heldIn(object)?.isDegraded === true) {
    throw new Violation(12, `nothing is owed, and a makeshift made the summary of ${name}`);
  }
  checkListed(session, model);
  checkSecrets(world, session, model, row);
  checkErasedAlong(world, session, model);
}

/** Whoever enumerates sessions finds this one, and is not told that it is alive if it is not. */
function checkListed({ listed, ref }: SimulatedSession, { status }: ModelSession): void {
  if (listed === null) throw new Violation(9, `${ref.session} is there, and no list names it`);
  if ((listed.expiredAt !== null) !== (status === "expired")) {
    throw new Violation(3, `${ref.session} is ${status}, and the list says otherwise`);
  }
}

/** Promise 9: nothing is said anywhere but what the log says, and what was carried over and is not erased where it came from. */
function checkSecrets(world: World, session: SimulatedSession, model: ModelSession, row: SessionState): void {
  const carried = originsOf(session.object)
    .filter(({ kind }) => kind !== "fork")
    .flatMap(({ incarnation }) => world.lives.carriable(incarnation));
  const rightly = new Set([...secretsOf(model.log.map(({ content, metadata }) => [content, metadata])), ...carried]);
  const inObject = secretsOf(session.object.disk.dump());
  const left = model.status === "expired" ? inObject : inObject.filter((secret) => !rightly.has(secret));
  if (left.length > 0)
    throw new Violation(9, `${left.join(", ")} is gone, and the object of ${session.ref.session} says it`);
  const inArchive = secretsOf(versionsOf(world.archive.copy, row.incarnation)).filter((secret) => !rightly.has(secret));
  if (inArchive.length > 0) {
    throw new Violation(9, `${inArchive.join(", ")} is gone, and the archive of ${session.ref.session} says it`);
  }
}

/** Promise 9: what was erased at the source of a fork is erased in the fork. */
function checkErasedAlong(world: World, session: SimulatedSession, model: ModelSession): void {
  const origin = originsOf(session.object).find(({ kind }) => kind === "fork");
  if (origin === undefined || model.status === "expired") return;
  for (const { seq, content } of model.log.slice(0, origin.throughSeq)) {
    if (content !== null && world.lives.isErased(origin.incarnation, seq)) {
      throw new Violation(9, `seq ${seq} is erased in ${origin.session}, and its fork ${session.ref.session} says it`);
    }
  }
}
