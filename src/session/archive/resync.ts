import { scheduleArchive } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { hasUnscheduledMessages, withNoneHeld } from "./messages.ts";

/**
 * Schedules for the archive all that there is, in the place of what it holds, at once: it was lost or set back, or is not what it should be.
 * Repeated while it is pending, nothing is added to that.
 * @param aboveRev the revision that the archive holds of this epoch: whatever is not above it would be taken for old
 * @returns `nothing` if there is nothing that the archive is to hold, `absent` if there is nothing to send it from
 */
export function resyncArchive(unit: Unit, aboveRev: number): "scheduled" | "nothing" | "absent" {
  const { store, now } = unit;
  const session = unit.findUnerased();
  if (session === null || session.expiredAt !== null || session.copying !== null) {
    // Whatever is pending goes on, also where the alarm was lost.
    store.changes.isRescheduled = true;
    return "absent";
  }
  const pending = store.jobs.first("archive");
  const isWholeArchivePending = pending !== null && unit.session.archivedRev === 0 && unit.session.archiveReplace;
  if (isWholeArchivePending && unit.session.archiveRev > aboveRev) {
    store.jobs.put({ ...pending, nextSendAt: now });
    return "scheduled";
  }
  const wasArchived = unit.session.archiveRev > 0 || aboveRev > 0;
  if (!wasArchived && store.summaries.newest() === null && !hasUnscheduledMessages(unit)) return "nothing";
  const rev = Math.max(unit.session.archiveRev, aboveRev);
  store.setArchived(0, 0);
  store.setArchiveRev(rev, true);
  // What is on its way is another page of the messages, and must not be taken for one of these.
  store.setMessageArchive(withNoneHeld(unit, unit.session.messageArchive, rev + 1));
  scheduleArchive(unit, true);
  const job = store.jobs.first("archive");
  if (job !== null) store.jobs.put({ ...job, nextSendAt: now });
  return "scheduled";
}
