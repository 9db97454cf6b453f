import { scheduleArchive } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { hasUnscheduledMessages, withNoneConfirmed } from "./messages.ts";

/**
 * Schedules that everything is sent again to the archive, at once, in place of what it holds: it lost data, was restored
 * from a backup, or holds something wrong. Repeating the call while this is pending adds nothing.
 * @param aboveRev the revision that the archive holds of this epoch; 0 if none. The new revisions are above it, since
 * the archive ignores older ones
 * @returns `nothing` if there is nothing to archive; `absent` if there is no session to archive: it is erased, expired
 * or incomplete
 */
export function resyncArchive(unit: Unit, aboveRev: number): "scheduled" | "nothing" | "absent" {
  const { store, now } = unit;
  const session = unit.findUnerased();
  if (session === null || session.expiredAt !== null || session.copying !== null) {
    // Sets the alarm again in case it was lost, so that jobs that are pending continue.
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
  store.setArchiveRev(rev, true, unit.session.archiveVersion);
  // A new revision, because a delivery that is still under way has another page, and its confirmation must not count
  // for this one.
  store.setMessageArchive(withNoneConfirmed(unit, unit.session.messageArchive, rev + 1));
  scheduleArchive(unit, true);
  const job = store.jobs.first("archive");
  if (job !== null) store.jobs.put({ ...job, nextSendAt: now });
  return "scheduled";
}
