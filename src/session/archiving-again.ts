import { hasUnowedMessages, withNoneHeld } from "./message-archive.ts";
import { oweArchive } from "./owed-work.ts";
import type { SessionRow } from "./rows.ts";
import type { SessionStore } from "./store.ts";

/**
 * Owes the archive all that there is, in the place of what it holds, at once: it was lost or set back, or is not what it should be.
 * Repeated while it is owed, nothing is added to that.
 * @param aboveRev the revision that the archive holds of this life: whatever is not above it would be taken for old
 * @returns false if there is nothing that the archive is to hold
 */
export function archiveAgain(
  store: SessionStore,
  session: SessionRow,
  aboveRev: number,
  newId: () => string,
  now: number,
): boolean {
  const owed = store.jobs.first("archive");
  const isOwedWhole = owed !== null && session.archivedRev === 0 && session.archiveReplace;
  if (isOwedWhole && session.archiveRev > aboveRev) {
    store.jobs.put({ ...owed, nextSendAt: now });
    return true;
  }
  const wasArchived = session.archiveRev > 0 || aboveRev > 0;
  if (!wasArchived && store.summaries.newest() === null && !hasUnowedMessages(store, session)) return false;
  const rev = Math.max(session.archiveRev, aboveRev);
  store.setArchived(0, 0);
  store.setArchiveRev(rev, true);
  // What is on its way is another page of the messages, and must not be taken for one of these.
  store.setMessageArchive(withNoneHeld(store, session.messageArchive, rev + 1));
  oweArchive(store, session, newId, now, true);
  const job = store.jobs.first("archive");
  if (job !== null) store.jobs.put({ ...job, nextSendAt: now });
  return true;
}
