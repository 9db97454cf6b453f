import type { TransferLine } from "../src/api/transfer.ts";
import { secretsOf } from "./chat-content.ts";
import type { ModelSession, Transition } from "./model.ts";
import { type Held, heldIn, sessionOf } from "./rows.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Replaces the session in the model: its state, what must be gone, and what its copies are compared with. */
export function become(
  world: World,
  session: SimulatedSession,
  after: ModelSession | null,
  retired: Transition<unknown>["retired"],
  epoch: string,
): void {
  const before = session.model;
  session.model = after;
  // The same text may have been appended twice, so another message may contain it rightly.
  const left = new Set(secretsOf(after?.log.map(({ content, metadata }) => [content, metadata])));
  session.retired.push(...retired.filter(({ secret }) => !left.has(secret)).map((entry) => ({ ...entry, epoch })));
  if (before !== null && after === null) {
    session.erasedEpochs.add(epoch);
    session.pastIds.push(...before.log.map(({ id }) => id));
    world.epochs.end(epoch);
  }
  noteHeld(session);
  const row = sessionOf(session.object);
  if (after !== null && row !== null) world.epochs.note(session.name, row.epoch, after);
}

/** Records what the object has now, which cannot be read any more once it is erased. */
export function noteHeld(session: SimulatedSession): void {
  const held = heldIn(session.object);
  if (held === null) return;
  // Of two branches the summary of one may cover less than that of the other, and pending work for one ends with it.
  if (session.model?.isSole !== false) checkWhole(session, held);
  session.heldBefore = held;
}

/** Promise 7: a new summary covers at least the messages that its job was scheduled for, and those of the version that it replaces. */
function checkWhole({ heldBefore: before, label, importing }: SimulatedSession, held: Held): void {
  if (before === null || before.epoch !== held.epoch) return;
  // Nobody can use an incomplete copy yet. If it will have several branches, its versions are stored before the model knows them.
  if (held.copying !== null) return;
  // An import stores the file's versions with its lines. If the newest one has no items once those are left out that no session
  // confirms, the import's last step deletes all versions, so that contexts contain the messages again.
  if (before.copying?.kind === "import" && held.version === 0 && restsOnOthers(importing)) return;
  const { version, throughSeq, pending } = held;
  if (throughSeq < before.throughSeq) {
    throw new Violation(7, `the summary of ${label} covers ${throughSeq}, and has covered ${before.throughSeq}`);
  }
  if (version === before.version || before.pending === null || pending?.jobId === before.pending.jobId) return;
  if (throughSeq < before.pending.throughSeq) {
    throw new Violation(
      7,
      `a summary of ${label} landed through ${throughSeq} that was pending through ${before.pending.throughSeq}`,
    );
  }
}

/** Whether the newest version in a file has no items except those that cite messages of other sessions, which have to confirm them. */
export function restsOnOthers(file: readonly TransferLine[]): boolean {
  const items = file.filter((line) => line.type === "item");
  return (
    items.some(({ sourceSession }) => sourceSession !== undefined) &&
    !items.some(({ sourceSession, toVersion }) => sourceSession === undefined && toVersion === undefined)
  );
}
