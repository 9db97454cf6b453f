import type { Seq } from "../contracts/message.ts";
import type { Metadata, SessionRef } from "../contracts/session.ts";
import type { SessionRow, SummaryRow, VersionedItem } from "./rows.ts";
import type { SessionStore } from "./store.ts";

/** What the archive lacks of one session. */
export interface ArchiveDelta {
  readonly ref: SessionRef;
  readonly incarnation: string;
  /** The archive holds this much if the delta is to apply; 0 if it carries everything. */
  readonly baseRev: number;
  /** What the archive holds of the session has to go first. */
  readonly isReplaced: boolean;
  /** What the archive holds after it. */
  readonly rev: number;
  readonly version: number;
  readonly createdAt: number;
  readonly headSeq: Seq;
  readonly throughSeq: Seq;
  readonly metadata: Metadata;
  readonly summaries: SummaryRow[];
  readonly items: VersionedItem[];
  /** Failed attempts so far. */
  readonly failures: number;
}

/** What the archive lacks; null if the job is no longer owed. */
export function readArchiveDelta(store: SessionStore, session: SessionRow, jobId: string): ArchiveDelta | null {
  const job = store.jobs.byId(jobId);
  if (job === null) return null;
  const newest = store.summaries.newest();
  const knownVersion = session.archiveReplace ? 0 : session.archivedVersion;
  const { tenant, owner, session: id } = session;
  return {
    ref: { tenant, owner, session: id },
    incarnation: session.incarnation,
    baseRev: session.archiveReplace ? 0 : session.archivedRev,
    isReplaced: session.archiveReplace,
    rev: session.archiveRev,
    version: newest?.version ?? 0,
    // Of two lives of one id the archive takes the one that began later for the last.
    createdAt: session.beganAt,
    headSeq: store.messages.head()?.seq ?? 0,
    throughSeq: newest?.throughSeq ?? 0,
    metadata: session.metadata,
    summaries: store.summaries.after(knownVersion),
    items: store.summaries.itemsChangedAfter(knownVersion),
    failures: job.failures,
  };
}

/**
 * Notes that the archive holds everything up to `rev`. The job goes when nothing newer is owed; else it is due at once.
 * @returns whether the archive is up to date
 */
export function confirmArchived(
  store: SessionStore,
  session: SessionRow,
  jobId: string,
  delta: { readonly rev: number; readonly version: number },
  now: number,
): boolean {
  const job = store.jobs.byId(jobId);
  // A confirmation that comes late may tell of an archive that was set back since.
  if (job === null) return true;
  if (delta.rev > session.archivedRev) store.setArchived(delta.rev, delta.version);
  if (delta.rev >= session.archiveRev) {
    store.setArchiveRev(session.archiveRev, false);
    store.jobs.delete(jobId);
    return true;
  }
  store.jobs.put({ ...job, failures: 0, nextSendAt: now });
  return false;
}

/**
 * The archive lost what it had confirmed, as after a restore: everything is owed again, in the place of what it still has.
 * @param outrankedBy it holds another life that began then: this one, being the last, began after it, whatever the clocks said
 */
export function forgetArchived(
  store: SessionStore,
  session: SessionRow,
  jobId: string,
  now: number,
  outrankedBy?: number,
): void {
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  store.setArchived(0, 0);
  store.setArchiveRev(session.archiveRev, true);
  if (outrankedBy !== undefined && outrankedBy >= session.beganAt) store.setBeganAt(outrankedBy + 1);
  store.jobs.put({ ...job, nextSendAt: now });
}
