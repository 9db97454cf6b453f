import type { Message } from "../src/api/message.ts";
import { resolveSettings } from "../src/api/session.ts";
import { become, noteHeld } from "./become.ts";
import { secretsOf } from "./chat-content.ts";
import { EVERYTHING, messageDifference, value } from "./check-log.ts";
import { erasedOf, eraseAll, ledTo, type ModelMessage, type ModelSession, withoutSeqs } from "./model.ts";
import { archivedRevision, revisionKey } from "./revision.ts";
import { erasedSeqsOf, hasPendingErasures, type SessionState, sessionOf } from "./rows.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What machines may do to a session without a client: complete a fork, erase what is erased in its source, let it expire. */

/** Checks that background work was allowed to do what it did to a session, and applies it to the model. */
export async function followBackground(world: World, session: SimulatedSession): Promise<void> {
  await follow(world, session);
  noteHeld(session);
}

async function follow(world: World, session: SimulatedSession): Promise<void> {
  const { model } = session;
  const row = sessionOf(session.object);
  if (model === null) return;
  if (row === null || row.erased_at !== null) {
    followErasure(world, session, model);
    return;
  }
  if (row.expired_at !== null) {
    if (model.status !== "expired") followExpiry(world, session, model, row);
    return;
  }
  if (model.status === "copying" && row.copying === null) await followCopy(world, session, model, row);
  if (session.model?.status === "active") followErasedMessages(world, session, session.model, row);
}

// Forks

/** A complete fork: it has what its source had at one moment, except for what was erased there since. */
async function followCopy(
  world: World,
  session: SimulatedSession,
  model: ModelSession,
  row: SessionState,
): Promise<void> {
  const name = session.label;
  const origin = world.epochs.forkedFrom(row.epoch);
  if (origin === undefined) throw new Violation(3, `${name} was made whole, and is no fork`);
  const source = world.epochs.get(origin.epoch);
  if (source === undefined) throw new Violation(3, `${name} is a fork of an epoch that nobody lived`);
  const copied = value(await (await session.object.instance()).messages({ limit: EVERYTHING }), "messages").data;
  const { throughSeq } = origin;
  if (copied.length !== throughSeq) {
    throw new Violation(1, `the fork ${name} has ${copied.length} messages, not ${throughSeq}`);
  }
  const isErased = (seq: number): boolean => world.epochs.isErased(origin.epoch, seq);
  for (const moment of source.moments.toReversed()) {
    const log = logOfFork(copied, moment.slice(0, throughSeq), isErased);
    if (log === null) continue;
    become(world, session, { ...model, status: "active", ...ledTo(log, throughSeq) }, [], row.epoch);
    return;
  }
  throw new Violation(1, `the fork ${name} does not equal its source ${source.name} at any moment`);
}

/** The log of a fork made at a moment of its source; null if the fork was not made then. */
function logOfFork(
  copied: readonly Message[],
  moment: readonly ModelMessage[],
  isErased: (seq: number) => boolean,
): ModelMessage[] | null {
  if (copied.length !== moment.length) return null;
  const log: ModelMessage[] = [];
  for (const [index, message] of copied.entries()) {
    const then = moment[index];
    if (then === undefined) return null;
    const expected = message.erased === true && isErased(then.seq) ? erasedOf(then) : then;
    if (messageDifference(message, expected) !== null) return null;
    // Which of them named the message that they follow is not copied.
    log.push({ ...expected, isPlaced: false });
  }
  return log;
}

/** What was erased in the source is erased in its forks as well. */
function followErasedMessages(world: World, session: SimulatedSession, model: ModelSession, row: SessionState): void {
  const gone = erasedSeqsOf(session.object).filter((seq) => (model.log[seq - 1]?.content ?? null) !== null);
  if (gone.length === 0) return;
  const origin = world.epochs.forkedFrom(row.epoch);
  for (const seq of gone) {
    if (origin === undefined || seq > origin.throughSeq || !world.epochs.isErased(origin.epoch, seq)) {
      throw new Violation(3, `seq ${seq} of ${session.label} is erased, and nobody asked for it`);
    }
  }
  const { after, retired } = withoutSeqs(model, new Set(gone));
  session.paid.clear();
  become(world, session, after, retired, row.epoch);
}

/** A session that is gone without a client's request: a copy that lost its source, or an abandoned import. */
function followErasure(world: World, session: SimulatedSession, model: ModelSession): void {
  const held = session.heldBefore;
  if (held === null) throw new Violation(0, `${session.label} is gone, and was never looked at`);
  const isLate = held.copying?.kind === "import" && world.now() >= held.copying.until;
  const sources = world.epochs.get(held.epoch)?.sources ?? [];
  const lostSource = model.status !== "active" && sources.some(({ epoch }) => world.epochs.isTouched(epoch));
  if (!isLate && !lostSource) throw new Violation(3, `${session.label} is gone, and nobody asked for it`);
  const brought = secretsOf(session.importing).map((secret) => ({ seq: 0, secret }));
  const retired = [...eraseAll(model).retired, ...(isLate ? brought : [])];
  become(world, session, null, retired, held.epoch);
}

// Expiry

/** An expired session: nobody spoke for as long as its settings say, and all of it is summarized and archived. */
function followExpiry(world: World, session: SimulatedSession, model: ModelSession, row: SessionState): void {
  const name = session.label;
  const { settings: tenant } = world.tenantAt(session.ref.tenant, row.tenant_rev);
  const { expireAfterIdleSeconds } = resolveSettings(model.settings, tenant);
  if (expireAfterIdleSeconds === null) throw new Violation(3, `${name} expired, although its settings say never`);
  const silentSince = Math.max(model.log.at(-1)?.createdAt ?? 0, row.began_at);
  if (world.now() < silentSince + expireAfterIdleSeconds * 1_000) {
    throw new Violation(3, `${name} expired ${world.now() - silentSince} ms after somebody spoke in it`);
  }
  const through = session.heldBefore?.throughSeq ?? 0;
  if (through < model.headSeq) {
    throw new Violation(3, `${name} expired, although its summary ends at ${through} of ${model.headSeq}`);
  }
  if (session.heldBefore?.isDegraded === true)
    throw new Violation(12, `${name} expired, although it has a fallback summary`);
  if (hasPendingErasures(session.object))
    throw new Violation(9, `${name} expired before its copies were notified of erasures`);
  const text = archivedRevision(world.archive.copy, row.epoch);
  if (!world.isRestored && row.archive_rev > 0 && text !== session.revisions.get(revisionKey(row))) {
    throw new Violation(3, `${name} expired at revision ${row.archive_rev}, and the archive holds ${text}`);
  }
  become(world, session, { ...model, status: "expired" }, [], row.epoch);
  const epoch = world.epochs.get(row.epoch);
  if (epoch !== undefined) epoch.isExpired = true;
}
