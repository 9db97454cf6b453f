import type { SessionRef } from "../src/api/session.ts";
import { archivedRevision } from "./revision.ts";
import { sessionOf } from "./rows.ts";
import { type ArchiveCopy, type ArchivedSession, EMPTY } from "./simulated-archive.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

const NOTHING = archivedRevision(EMPTY, "");

/** Promise 7, in the archive: after every transaction each session equals its object at one revision, and never goes back. */
export function checkArchive(world: World, before: ArchiveCopy): void {
  const { copy } = world.archive;
  const alive = new Set<string>();
  for (const held of copy.sessions) {
    // A tombstone of an erased user has no name.
    if (held.owner === "" && held.erased_at !== null) continue;
    const session = world.sessions.find(({ ref }) => isRowOf(held, ref));
    if (session === undefined) throw new Violation(7, `the archive holds ${held.session}, which does not exist`);
    const text = archivedRevision(copy, held.epoch);
    if (held.erased_at === null && held.rev > 0) {
      alive.add(held.epoch);
      const expected = session.revisions.get(`${held.epoch}/${held.rev}`);
      if (expected !== text) {
        throw new Violation(
          7,
          `the archive holds revision ${held.rev} of ${held.session}, which is not what the object had then:\n` +
            `    archive ${text}\n    object  ${expected ?? "never had this revision"}`,
        );
      }
    } else if (text !== NOTHING) {
      throw new Violation(9, `the archive holds versions of ${held.session}, whose row is a tombstone or empty`);
    }
    const earlier = before.sessions.find((row) => isRowOf(row, held));
    if (earlier !== undefined) checkForward(earlier, held);
  }
  for (const { epoch } of [...copy.summaries, ...copy.items, ...copy.messages]) {
    if (!alive.has(epoch)) throw new Violation(9, `the archive holds versions of an epoch ${epoch} without a row`);
  }
}

function isRowOf(row: SessionRef, { tenant, owner, session }: SessionRef): boolean {
  return row.session === session && row.owner === owner && row.tenant === tenant;
}

function checkForward(earlier: ArchivedSession, later: ArchivedSession): void {
  if (earlier.epoch !== later.epoch) return;
  if (later.rev < earlier.rev) {
    throw new Violation(7, `revision ${earlier.rev} of ${later.session} went back to ${later.rev} in the archive`);
  }
  if (earlier.erased_at !== null && later.erased_at === null) {
    throw new Violation(9, `an erased epoch of ${later.session} came back in the archive`);
  }
}

/** When nothing is pending any more, the archive equals the objects, and erased text is nowhere. */
export function checkArchiveSettled(world: World, session: SimulatedSession): void {
  const { copy } = world.archive;
  const row = sessionOf(session.object);
  const held = copy.sessions.find((one) => isRowOf(one, session.ref));
  if (held !== undefined && held.erased_at === null && session.erasedEpochs.has(held.epoch)) {
    throw new Violation(9, `nothing is pending, and the archive holds an erased epoch of ${held.session}`);
  }
  if (row !== null && row.erased_at === null && row.archive_rev > 0) {
    if (held === undefined || held.epoch !== row.epoch || held.rev !== row.archive_rev) {
      throw new Violation(
        10,
        `nothing is pending, the object is at revision ${row.archive_rev} of ${row.epoch}, and the archive holds ` +
          (held === undefined ? "nothing" : `revision ${held.rev} of ${held.epoch}, erased ${held.erased_at}`),
      );
    }
    if (
      row.expired_at === null &&
      JSON.stringify(sorted(held.metadata)) !== JSON.stringify(sorted(JSON.parse(row.metadata)))
    ) {
      throw new Violation(10, "nothing is pending, and the archive holds other metadata than the object");
    }
    const messages = row.message_archive;
    if (messages !== null && messages.confirmedSeq < messages.targetSeq) {
      throw new Violation(
        10,
        `nothing is pending, and the archive holds the messages of ${held.session} through ${messages.confirmedSeq} of ${messages.targetSeq}`,
      );
    }
  }
}

function sorted(metadata: Record<string, unknown>): [string, unknown][] {
  return Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
