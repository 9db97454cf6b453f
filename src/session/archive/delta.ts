import type { Seq } from "../../api/message.ts";
import type { Metadata, SessionRef } from "../../api/session.ts";
import { jsonBytes } from "../../api/text.ts";
import { mayBeListed, NEVER_FAILED, scheduleArchive } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { type MessageDelta, isMorePending, readMessageDelta, withConfirmed, withNoneConfirmed } from "./messages.ts";
import { isMoreSummaryPending, planVersions, readSummaryDelta, type SummaryDelta } from "./summaries.ts";

/** What the archive is missing of one session: what one delivery of an archive job carries. */
export interface ArchiveDelta extends SummaryDelta {
  readonly ref: SessionRef;
  readonly epoch: string;
  /**
   * The revision that the archive must have reached for the delta to apply; 0 if it applies to whatever the archive
   * holds.
   */
  readonly baseRev: number;
  /** The archive first deletes everything that it holds of the session. */
  readonly isReplaced: boolean;
  /** The revision that the archive has reached once it has applied the delta. */
  readonly rev: number;
  /** The last version of the summary that it then holds. */
  readonly version: number;
  /** When the epoch began, in ms since 1970: see `readArchiveDelta`. */
  readonly createdAt: number;
  readonly headSeq: Seq;
  readonly throughSeq: Seq;
  readonly metadata: Metadata;
  /** The messages that it is missing; null if it needs none. */
  readonly messages: MessageDelta | null;
  /** The last message that it then holds; 0 if none. */
  readonly messageSeq: Seq;
  /** Approximate size in bytes. A consumer holds the deltas of many sessions at once, and limits their sum. */
  readonly bytes: number;
  /** Whether the job may be on the operators' list of failed jobs. */
  readonly hasFailed: boolean;
}

/** What the archive is missing; null if the job is done. */
export function readArchiveDelta(unit: Unit, jobId: string): ArchiveDelta | null {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return null;
  const held = store.summaries.byVersion(unit.session.archiveVersion);
  const summary = readSummaryDelta(unit);
  const messages = readMessageDelta(unit);
  const { tenant, owner, session: id } = unit.session;
  return {
    ref: { tenant, owner, session: id },
    epoch: unit.session.epoch,
    // If the archive was restored from a backup, it is behind the revision that it confirmed. Such a delta must not
    // apply: the archive would be missing messages that are not in it, or keep some that were erased. A delta that
    // replaces everything, from the first message on, always applies.
    baseRev: unit.session.archiveReplace && messages?.afterSeq === 0 ? 0 : unit.session.archivedRev,
    isReplaced: unit.session.archiveReplace,
    rev: unit.session.archiveRev,
    version: unit.session.archiveVersion,
    // The archive treats the epoch with the later `createdAt` as the current one, so it gets the time when this epoch
    // began.
    createdAt: unit.session.beganAt,
    headSeq: store.messages.head()?.seq ?? 0,
    throughSeq: held?.throughSeq ?? 0,
    metadata: unit.session.metadata,
    ...summary,
    messages,
    messageSeq: unit.session.messageArchive?.sentSeq ?? 0,
    bytes: jsonBytes([summary, messages]),
    hasFailed: mayBeListed(job),
  };
}

/** What of a delta is in the archive now. */
export interface Confirmed extends Pick<ArchiveDelta, "rev" | "version"> {
  readonly messageSeq: Seq;
  /** How many rows of this session PostgreSQL refuses to store; undefined if it refuses none. */
  readonly setAside?: number | undefined;
}

/**
 * Records that the archive has reached revision `delta.rev`. The job is deleted if no newer revision and no further
 * page of messages or versions is left to send; else it is due at once.
 * @returns whether the archive is up to date
 */
export function confirmArchived(unit: Unit, jobId: string, delta: Confirmed): boolean {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  // Without a job, nothing is recorded: a confirmation that arrives late may be about an archive that was restored from
  // a backup since.
  if (job === null) return true;
  const { setAside = 0 } = delta;
  if (setAside !== unit.session.archiveAside) store.setArchiveAside(setAside);
  const before = unit.session.messageArchive;
  const messages = delta.rev > unit.session.archivedRev ? withConfirmed(before, delta.rev, delta.messageSeq) : before;
  if (delta.rev > unit.session.archivedRev) store.setArchived(delta.rev, delta.version);
  if (messages !== before) store.setMessageArchive(messages);
  const { archiveRev, archiveReplace, archiveVersion } = unit.session;
  const isNewest = delta.rev >= archiveRev;
  if (isNewest && archiveReplace) store.setArchiveRev(archiveRev, false, archiveVersion);
  const isMore =
    isNewest &&
    ((messages !== null && isMorePending(messages, delta.rev)) || isMoreSummaryPending(unit, delta.version));
  if (isNewest && !isMore) {
    store.jobs.delete(jobId);
    return true;
  }
  store.jobs.put({ ...job, ...NEVER_FAILED, nextSendAt: unit.now });
  if (isMore) scheduleArchive(unit);
  return false;
}

/**
 * The archive has lost what it confirmed, for example because it was restored from a backup. Everything becomes pending
 * again and will replace what the archive still holds.
 * @param outrankedBy if the archive holds another epoch of this session id: when that began, in ms since 1970. This
 * epoch is the current one, so it is then recorded as having begun later, even if the clocks said otherwise
 */
export function forgetArchived(unit: Unit, jobId: string, outrankedBy?: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  store.setArchived(0, 0);
  // A new revision, because a delivery that is still under way has another page, and its confirmation must not count
  // for this one.
  const rev = unit.session.archiveRev + 1;
  store.setArchiveRev(rev, true, planVersions(unit, true));
  store.setMessageArchive(withNoneConfirmed(unit, unit.session.messageArchive, rev));
  if (outrankedBy !== undefined && outrankedBy >= unit.session.beganAt) store.setBeganAt(outrankedBy + 1);
  store.jobs.put({ ...job, nextSendAt: unit.now });
}
