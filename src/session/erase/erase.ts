import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { setAsideIdOf } from "../../api/job.ts";
import type { Seq } from "../../api/message.ts";
import { isTold } from "../../prompt/message-text.ts";
import { isChangeUnconfirmed } from "../archive/index.ts";
import { furtherOrigins, tellCopies, tellCopiesOfEnd } from "../copies/index.ts";
import { findMessage, noteErasures } from "../log/index.ts";
import { mayBeListed, newJob, scheduleArchive, scheduleAuditRange } from "../outbox/index.ts";
import { keepDay } from "../quota/index.ts";
import { type EraseJob, type MessageRow, type SeqSet, upTo } from "../sqlite/index.ts";
import { mayBeFoldedIn } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { invalidate } from "./invalidate.ts";

/**
 * Erases the content of a message everywhere in the object before it returns; the archive and copies follow in the
 * background. The seq and the id stay in use. Idempotent.
 * @returns the erased message
 * @throws ThreadkeepError `message_not_found`
 */
export function eraseMessage(unit: Unit, id: string): MessageRow {
  const row = findMessage(unit, id, "told");
  if (row === null) throw new ThreadkeepError(UNKNOWN_MESSAGE);
  if (row.erasedAt !== null) return row;
  eraseSeqs(unit, [row.seq]);
  tellCopies(unit, row.seq);
  return unit.store.messages.bySeq(row.seq) ?? row;
}

/**
 * Whether the content of an erased message may still exist: in the archive, in copies, or in other words in a summary
 * that is to be rebuilt.
 */
export function isErasurePending(unit: Unit, seq: Seq): boolean {
  return isHeldHere(unit, seq) || unit.store.lineage.hasPendingErasures();
}

/**
 * Whether this session itself, or the archive in its name, may still hold content of erased messages from `fromSeq` on.
 */
export function isHeldHere(unit: Unit, fromSeq: Seq): boolean {
  return (
    unit.store.erasure.isRunning() ||
    unit.session.archiveReplace ||
    isChangeUnconfirmed(unit.session) ||
    mayBeFoldedIn(unit, fromSeq)
  );
}

export const UNKNOWN_MESSAGE: Fault = {
  code: "message_not_found",
  detail: "The session has no message with this id.",
};

/** Erases messages here, adjusts the summary, and schedules the archive to follow. Copies are not told. */
export function eraseSeqs(unit: Unit, seqs: SeqSet): void {
  const { store, now } = unit;
  const textChanged = withTextAmong(unit, seqs);
  store.countChange(
    "throughSeq" in seqs
      ? store.messageEraser.eraseThrough(seqs.throughSeq, now)
      : store.messageEraser.erase(seqs, now),
  );
  noteErasures(unit, seqs);
  const isCovered = invalidate(unit, seqs, textChanged);
  scheduleArchivedChange(unit, seqs, isCovered);
}

/**
 * Of at most this many messages the content is read before they are erased. Of more, it is assumed that one had text.
 */
const MAX_LOOKED_AT = 16;

/**
 * Selects the messages whose text a summarizer receives. A message without text, for example one that only shows a
 * form, is not given to it.
 */
function withTextAmong(unit: Unit, seqs: SeqSet): SeqSet {
  if ("throughSeq" in seqs || seqs.length > MAX_LOOKED_AT) return seqs;
  return seqs.filter((seq) => isTold(unit.store.messages.bySeq(seq, "told")?.content ?? null));
}

/**
 * Schedules an archive job for messages that were edited or erased, if the archive holds one of them or a summary that
 * covers one.
 */
export function scheduleArchivedChange(unit: Unit, seqs: SeqSet, isCovered: boolean): void {
  const archivedSeq = unit.store.session()?.messageArchive?.sentSeq ?? 0;
  if (!isCovered && upTo(seqs, archivedSeq) === null) return;
  scheduleArchive(unit, isCovered, seqs);
}

/**
 * Erases the session: deletes everything that was said, and schedules jobs for the archive and for every copy to do the
 * same.
 * @returns the erase job, which tells the archive
 */
export function eraseSession(unit: Unit): EraseJob {
  const { store, now } = unit;
  scheduleAuditRange(unit);
  keepDay(unit);
  // Jobs that end here may be on the operators' list of failed jobs; the erase job removes them from it. Pending
  // erasures continue, and are removed when they are done.
  const settles = store.jobs.ending().filter(mayBeListed);
  store.wipe(now);
  // Copies may hold items that this session had carried over itself. They are told to erase them too: without this
  // session, they would not be told of later erasures at the origins.
  tellCopiesOfEnd(unit, furtherOrigins(unit));
  store.lineage.clearOrigins();
  const erased = {
    settles: [
      ...settles.map((ended) => ended.id),
      ...(unit.session.archiveAside === 0 ? [] : [setAsideIdOf(unit.session.epoch)]),
    ],
    grantedAt: unit.session.grantedAt,
    beganAt: unit.session.beganAt,
  };
  const job = newJob(unit, { kind: "erase", erased });
  store.jobs.put(job);
  return job;
}
