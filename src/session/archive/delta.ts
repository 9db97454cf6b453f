import type { Seq } from "../../api/message.ts";
import type { Metadata, SessionRef } from "../../api/session.ts";
import { jsonBytes } from "../../api/text.ts";
import { mayBeListed, NEVER_FAILED, scheduleArchive } from "../outbox/index.ts";
import type { Unit } from "../unit.ts";
import { type MessageDelta, isMorePending, readMessageDelta, withHeld, withNoneHeld } from "./messages.ts";
import { isMoreSummaryPending, planVersions, readSummaryDelta, type SummaryDelta } from "./summaries.ts";

/** What the archive lacks of one session. */
export interface ArchiveDelta extends SummaryDelta {
  readonly ref: SessionRef;
  readonly epoch: string;
  /** The archive holds at least this much if the delta is to apply; 0 if it carries everything. */
  readonly baseRev: number;
  /** What the archive holds of the session has to go first. */
  readonly isReplaced: boolean;
  /** What the archive holds after it. */
  readonly rev: number;
  /** The last version of the summary that it holds after it. */
  readonly version: number;
  readonly createdAt: number;
  readonly headSeq: Seq;
  readonly throughSeq: Seq;
  readonly metadata: Metadata;
  /** What it lacks of the messages; null if nothing. */
  readonly messages: MessageDelta | null;
  /** The last message that it holds after it; 0 if none. */
  readonly messageSeq: Seq;
  /** About how much all of it holds: a consumer has those of many sessions. */
  readonly bytes: number;
  /** Operators may know of the job. */
  readonly hasFailed: boolean;
}

/** What the archive lacks; null if the job is no longer pending. */
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
    // An archive that was set back would lack messages that are not sent again, or still hold some that were taken out of it.
    baseRev: unit.session.archiveReplace && messages?.afterSeq === 0 ? 0 : unit.session.archivedRev,
    isReplaced: unit.session.archiveReplace,
    rev: unit.session.archiveRev,
    version: unit.session.archiveVersion,
    // Of two epochs of one id the archive takes the one that began later for the last.
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

/** What a delta was that is in the archive now. */
export interface Confirmed extends Pick<ArchiveDelta, "rev" | "version"> {
  /** Undefined from a consumer that runs an earlier version, and wrote no messages. */
  readonly messageSeq?: Seq | undefined;
  /** How many rows PostgreSQL refuses of the session; undefined: none, now or before. */
  readonly setAside?: number | undefined;
}

/**
 * Notes that the archive holds everything up to `rev`. The job goes when nothing newer is pending, and no message or version is left;
 * else it is due at once.
 * @returns whether the archive is up to date
 */
export function confirmArchived(unit: Unit, jobId: string, delta: Confirmed): boolean {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  // A confirmation that comes late may tell of an archive that was set back since.
  if (job === null) return true;
  const { setAside = 0 } = delta;
  if (setAside !== unit.session.archiveAside) store.setArchiveAside(setAside);
  const before = unit.session.messageArchive;
  const messages = delta.rev > unit.session.archivedRev ? withHeld(before, delta.rev, delta.messageSeq) : before;
  if (delta.rev > unit.session.archivedRev) store.setArchived(delta.rev, delta.version);
  if (messages !== before) store.setMessageArchive(messages);
  store.jobs.put({ ...job, ...NEVER_FAILED, nextSendAt: unit.now });
  if (delta.rev < unit.session.archiveRev) return false;
  store.setArchiveRev(unit.session.archiveRev, false);
  const isMore = messages !== null && isMorePending(messages, delta.rev);
  if (isMore || isMoreSummaryPending(unit, delta.version)) {
    scheduleArchive(unit);
    return false;
  }
  store.jobs.delete(jobId);
  return true;
}

/**
 * The archive lost what it had confirmed, as after a restore: everything is pending again, in the place of what it still has.
 * @param outrankedBy it holds another epoch that began then: this one, being the last, began after it, whatever the clocks said
 */
export function forgetArchived(unit: Unit, jobId: string, outrankedBy?: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  store.setArchived(0, 0);
  // What was on its way when it was lost was another page, and must not be taken for this one.
  const rev = unit.session.archiveRev + 1;
  store.setArchiveRev(rev, true);
  store.setArchiveVersion(planVersions(unit, true));
  store.setMessageArchive(withNoneHeld(unit, unit.session.messageArchive, rev));
  if (outrankedBy !== undefined && outrankedBy >= unit.session.beganAt) store.setBeganAt(outrankedBy + 1);
  store.jobs.put({ ...job, nextSendAt: unit.now });
}
