import { oweArchive } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { hasUnowedMessages, withNoneHeld } from "./messages.ts";

/**
 * Owes the archive all that there is, in the place of what it holds, at once: it was lost or set back, or is not what it should be.
 * Repeated while it is owed, nothing is added to that.
 * @param aboveRev the revision that the archive holds of this life: whatever is not above it would be taken for old
 * @returns `nothing` if there is nothing that the archive is to hold, `absent` if there is nothing to send it from
 */
export function archiveAgain(unit: Unit, aboveRev: number): "owed" | "nothing" | "absent" {
  const { store, now } = unit;
  const session = unit.findUnerased();
  if (session === null || session.expiredAt !== null || session.copying !== null) {
    // Whatever is pending goes on, also where the alarm was lost.
    store.changes.isRescheduled = true;
    return "absent";
  }
  const owed = store.jobs.first("archive");
  const isOwedWhole = owed !== null && unit.session.archivedRev === 0 && unit.session.archiveReplace;
  if (isOwedWhole && unit.session.archiveRev > aboveRev) {
    store.jobs.put({ ...owed, nextSendAt: now });
    return "owed";
  }
  const wasArchived = unit.session.archiveRev > 0 || aboveRev > 0;
  if (!wasArchived && store.summaries.newest() === null && !hasUnowedMessages(unit)) return "nothing";
  const rev = Math.max(unit.session.archiveRev, aboveRev);
  store.setArchived(0, 0);
  store.setArchiveRev(rev, true);
  // What is on its way is another page of the messages, and must not be taken for one of these.
  store.setMessageArchive(withNoneHeld(unit, unit.session.messageArchive, rev + 1));
  oweArchive(unit, true);
  const job = store.jobs.first("archive");
  if (job !== null) store.jobs.put({ ...job, nextSendAt: now });
  return "owed";
}
