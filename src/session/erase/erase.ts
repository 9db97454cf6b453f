import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { setAsideIdOf } from "../../api/job.ts";
import type { MessagePatch, Seq } from "../../api/message.ts";
import type { Item, KeptItem } from "../../api/summary.ts";
import { addedTokens } from "../../prompt/added-tokens.ts";
import { isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { contentTokens, isTold, messageText } from "../../prompt/message-text.ts";
import { isChangeUnconfirmed } from "../archive/index.ts";
import {
  beginAgain,
  type CopyAnswer,
  type Erased,
  erasedOf,
  furtherOrigins,
  isAll,
  rescheduleCarryOver,
  passedOn,
  type PassedOnPlace,
  pendingOrigin,
  seqsOf,
  tellCopies,
  upTo,
} from "../copies/index.ts";
import { findMessage, fullFault, noteChange, noteErasures } from "../log/index.ts";
import { mayBeListed, newJob, scheduleArchive, scheduleAuditRange } from "../outbox/index.ts";
import { keepDay, startOfDay } from "../quota/index.ts";
import {
  messageCostOf,
  type JobRow,
  type EpochRef,
  type MessageRow,
  type OriginRow,
  type SeqSet,
  type SessionRow,
  type TotalsChange,
} from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import {
  begunThrough,
  countAnew,
  coveredAmong,
  coveredAnywhere,
  mayBeFoldedIn,
  REBUILD_DELAY_MS,
  rebuildFromStart,
  revived,
  summarizeJob,
  uncovered,
  withoutItems,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/**
 * Edits a message, in the caller's transaction: if this throws, the transaction must be rolled back. The message keeps
 * its seq, its id, and the hash of the content that was first appended, so that a retry of the append is not a
 * conflict. Whatever summaries say because of the old text is removed, as if the message had been erased.
 * @returns the message as it is now
 * @throws ThreadkeepError `message_not_found`, `message_erased`, or the fault that the session would be full
 */
export function editMessage(unit: Unit, id: string, patch: MessagePatch): MessageRow {
  const { store, now } = unit;
  const row = findMessage(unit, id);
  if (row === null) throw new ThreadkeepError(UNKNOWN_MESSAGE);
  if (row.content === null) {
    throw new ThreadkeepError({
      code: "message_erased",
      detail: "The message was erased. Append a new one instead.",
    });
  }
  if (patch.pinned !== undefined && patch.pinned !== row.isPinned) store.messages.pin(row.seq, patch.pinned);
  if (patch.content === undefined && patch.metadata === undefined) {
    // Only the pin was set or removed. Summaries stay valid, but an export that is under way must see that something
    // changed.
    store.countChange(NO_CHANGE, null);
    noteChange(unit, "edited", { seq: row.seq });
    return store.messages.bySeq(row.seq) ?? row;
  }
  const content = patch.content ?? row.content;
  const metadata = patch.metadata ?? row.metadata;
  const contentJson = JSON.stringify(content);
  const isSaidAnew = contentJson !== JSON.stringify(row.content);
  const metadataJson = metadata === null ? null : JSON.stringify(metadata);
  const tokens = contentTokens(content);
  const size = { tokens, cost: messageCostOf({ ...row, content, tokens }) };
  const change = store.messages.edit(row.seq, content, contentJson, metadataJson, size, now);
  store.countChange(
    change,
    isSaidAnew
      ? { at: now, day: startOfDay(now), tokens: addedTokens(row.content, content, row.tokens, tokens) }
      : null,
  );
  const head = store.messages.head();
  const fault = head === null || change.bytes <= 0 ? null : fullFault(head.seq, head.totalBytes);
  if (fault !== null) throw new ThreadkeepError(fault);
  noteChange(unit, "edited", { seq: row.seq });
  const textChanged = messageText(content) === messageText(row.content) ? [] : [row.seq];
  const isCovered = isSaidAnew && invalidate(unit, [row.seq], textChanged);
  // Even if no item cites the message: no summarizer has received the new text yet, so the summary does not cover it.
  if (textChanged.length > 0 && wasGivenToSummarizer(unit, row.seq)) store.summaries.hide(textChanged);
  scheduleArchivedChange(unit, [row.seq], isCovered);
  return store.messages.bySeq(row.seq) ?? row;
}

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
  tellErased(unit, [row.seq]);
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
function isHeldHere(unit: Unit, fromSeq: Seq): boolean {
  return (
    unit.store.messages.isErasing() ||
    unit.session.archiveReplace ||
    isChangeUnconfirmed(unit.session) ||
    mayBeFoldedIn(unit, fromSeq)
  );
}

const NO_CHANGE: TotalsChange = { cost: 0, bytes: 0 };

export const UNKNOWN_MESSAGE: Fault = {
  code: "message_not_found",
  detail: "The session has no message with this id.",
};

function eraseSeqs(unit: Unit, seqs: SeqSet): void {
  const { store, now } = unit;
  const textChanged = withTextAmong(unit, seqs);
  store.countChange(
    "throughSeq" in seqs ? store.messages.eraseThrough(seqs.throughSeq, now) : store.messages.erase(seqs, now),
  );
  noteErasures(unit, seqs);
  const isCovered = invalidate(unit, seqs, textChanged);
  scheduleArchivedChange(unit, seqs, isCovered);
}

function tellErased(unit: Unit, seqs: SeqSet | null): void {
  tellCopies(unit, erasedOf(epochRefOf(unit.session), seqs));
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
 * Removes from all versions of the summary, and from a draft, the items that cite these messages, and schedules a
 * rebuild from the version before the first of them: a model may have put their content into items that cite other
 * messages.
 * @param textChanged those of the messages for which a summarizer would now receive another text. If there are none, and
 * no item cites any of the messages, no rebuild is scheduled: it would be paid for and say the same
 * @returns whether the newest version covers any of the messages
 */
function invalidate(unit: Unit, seqs: SeqSet, textChanged: SeqSet): boolean {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  const job = summarizeJob(unit);
  const coveredSeq = coveredAnywhere(store);
  const among = upTo(seqs, coveredSeq);
  let changed = textChanged;
  if (newest !== null && among !== null) {
    const gone = store.summaries.deleteItemsCiting(among);
    store.summaries.hide(uncovered(gone, store.summaries.items(newest.version)));
    if (gone.length > 0) {
      changed = seqs;
      countAnew(store);
    }
  }
  const covered = coveredAmong(unit, changed);
  if (job !== undefined) invalidateJob(unit, job, changed);
  else if (newest !== null && covered !== null) {
    store.jobs.put({
      ...newJob("summarize", unit.session.epoch, unit.newId(), newest.throughSeq, now + REBUILD_DELAY_MS, now),
      rebuildBase: store.summaries.versionBefore(lowestOf(covered)),
    });
  }
  return covered !== null;
}

/**
 * Schedules an archive job for messages that were edited or erased, if the archive holds one of them or a summary that
 * covers one.
 */
function scheduleArchivedChange(unit: Unit, seqs: SeqSet, isCovered: boolean): void {
  const archivedSeq = unit.store.session()?.messageArchive?.sentSeq ?? 0;
  if (!isCovered && upTo(seqs, archivedSeq) === null) return;
  scheduleArchive(unit, isCovered, seqs);
}

/** Whether a version of the summary covers a message, or a pending job has already given it to a summarizer. */
function wasGivenToSummarizer(unit: Unit, seq: Seq): boolean {
  if (coveredAmong(unit, [seq]) !== null) return true;
  const job = summarizeJob(unit);
  return job !== undefined && seq <= begunThrough(job) && isOn(unit.store.branches.through(job.throughSeq), seq);
}

function lowestOf(seqs: SeqSet): Seq {
  return "throughSeq" in seqs ? 1 : seqs.reduce((lowest, seq) => Math.min(lowest, seq), Number.MAX_SAFE_INTEGER);
}

function containsSeq(seqs: SeqSet): (seq: Seq) => boolean {
  if ("throughSeq" in seqs) return (seq) => seq <= seqs.throughSeq;
  const among = new Set(seqs);
  return (seq) => among.has(seq);
}

/** The lowest of the messages after `afterSeq` up to `throughSeq`; null if there is none. */
function lowestBetween(seqs: SeqSet, afterSeq: Seq, throughSeq: Seq): Seq | null {
  if ("throughSeq" in seqs) return Math.min(seqs.throughSeq, throughSeq) > afterSeq ? afterSeq + 1 : null;
  const between = seqs.filter((seq) => seq > afterSeq && seq <= throughSeq);
  return between.length === 0 ? null : lowestOf(between);
}

/**
 * Selects the messages that concern a job: those on the branch that it summarizes, and those that a version covers. No
 * summarizer of this job receives any other.
 */
function concerningJob(unit: Unit, job: JobRow, seqs: SeqSet): SeqSet {
  const { store } = unit;
  if (store.branches.isSole || "throughSeq" in seqs) return seqs;
  const branch = store.branches.through(job.throughSeq);
  const covered = containsSeq(coveredAmong(unit, seqs) ?? []);
  return seqs.filter((seq) => isOn(branch, seq) || covered(seq));
}

/** Splits messages into those on the branch that ends with `headSeq` and the others. */
function splitByBranch({ branches }: SessionStore, headSeq: Seq, seqs: SeqSet): { on: SeqSet; off: SeqSet } {
  if (branches.isSole || "throughSeq" in seqs) return { on: seqs, off: [] };
  const branch = branches.through(headSeq);
  return { on: seqs.filter((seq) => isOn(branch, seq)), off: seqs.filter((seq) => !isOn(branch, seq)) };
}

/**
 * Adjusts a pending summary job to changed messages. If a summarizer is working on it, the job notes from which message
 * its answer is invalid; otherwise it drops its draft. If versions cover changed messages, it is to rebuild from a
 * version before them.
 */
function invalidateJob(unit: Unit, open: JobRow, given: SeqSet): void {
  const { store, now } = unit;
  const seqs = concerningJob(unit, open, given);
  const covered = store.summaries.newest()?.throughSeq ?? 0;
  // Changed messages on another branch were not given to this job's summarizer, but may have been to those of the
  // versions that it replaces.
  const { on, off } = splitByBranch(store, open.throughSeq, seqs);
  // No summarizer is working (no lease), so the draft costs nothing more to drop: it rests on changed messages and
  // would have to be made again anyway.
  const job =
    open.lease === null && lowestBetween(on, 0, begunThrough(open)) !== null ? { ...open, draft: null } : open;
  const begun = begunThrough(job);
  const firstGiven = lowestBetween(on, 0, begun);
  const coveredSeq = coveredAnywhere(store);
  const behind = [lowestBetween(on, begun, coveredSeq), lowestBetween(off, 0, coveredSeq)].filter(
    (seq) => seq !== null,
  );
  let changed: JobRow = job;
  if (firstGiven !== null) {
    changed = {
      ...changed,
      isUpgrade: false,
      invalidatedFromSeq: Math.min(job.invalidatedFromSeq ?? Number.MAX_SAFE_INTEGER, firstGiven),
    };
    if (job.draft !== null) {
      const isErased = containsSeq(seqs);
      const isGone = (item: Item): boolean => ownSources(item).some((seq) => seq <= begun && isErased(seq));
      const draft = withoutItems(job.draft, isGone);
      store.summaries.hide(uncovered(job.draft.items.filter(isGone), draft.items));
      changed = { ...changed, ...revived(job, now), draft };
    }
  }
  if (behind.length > 0) {
    const before = store.summaries.versionBefore(Math.min(...behind));
    const rebuildBase = Math.min(job.rebuildBase ?? Number.MAX_SAFE_INTEGER, before);
    changed = {
      ...changed,
      ...revived(job, now),
      throughSeq: Math.max(job.throughSeq, covered),
      rebuildBase,
      isUpgrade: false,
    };
  }
  if (changed !== open) store.jobs.put(changed);
}

/**
 * Erases the session: deletes everything that was said, and schedules jobs for the archive and for every copy to do the
 * same.
 * @returns the erase job, which tells the archive
 */
export function eraseSession(unit: Unit): JobRow {
  const { store, now } = unit;
  scheduleAuditRange(unit);
  keepDay(unit);
  // Jobs that end here may be on the operators' list of failed jobs; the erase job removes them from it. Pending
  // erasures continue, and are removed when they are done.
  const settles = store.jobs.ending().filter(mayBeListed);
  store.wipe(now);
  tellErased(unit, null);
  // Copies may hold items that this session had carried over itself. They are told to erase them too: without this
  // session, they would not be told of later erasures at the origins.
  for (const origin of furtherOrigins(unit)) {
    tellCopies(unit, erasedOf({ session: origin.session, epoch: origin.epoch }, null, epochRefOf(unit.session)));
  }
  store.lineage.clearCopies();
  store.lineage.clearOrigins();
  const job = {
    ...newJob("erase", unit.session.epoch, unit.newId(), 0, now, now),
    settles: [
      ...settles.map((ended) => ended.id),
      ...(unit.session.archiveAside === 0 ? [] : [setAsideIdOf(unit.session.epoch)]),
    ],
    grantedAt: unit.session.grantedAt,
    beganAt: unit.session.beganAt,
  };
  store.jobs.put(job);
  return job;
}

/**
 * When the erased epoch of a job began, in ms since 1970: the archive treats the epoch that began later as the current
 * one. An older version of this code did not store it; then the result is a time before the epoch that followed.
 */
export function beganOf(job: JobRow, session: SessionRow): number {
  if (job.beganAt > 0) return job.beganAt;
  return job.epoch === session.epoch ? session.beganAt : session.beganAt - 1;
}

/** What an erasure in another session affects in this one. */
type Effect =
  | { readonly of: "nothing" }
  /** Messages or items of it that are still being copied, imported or carried over, possibly in other words. */
  | { readonly of: "arrivals" }
  /** Messages that a fork copied. */
  | { readonly of: "messages"; readonly seqs: SeqSet }
  /** Items that a continuation carried over. */
  | { readonly of: "items"; readonly origin: OriginRow };

const NO_EFFECT: Effect = { of: "nothing" };

function effectOf(unit: Unit, erasure: Erased): Effect {
  const { source, through } = erasure;
  const origin = unit.store.lineage.origins().find(({ epoch }) => epoch === source.epoch);
  // The erasure concerns a session from which this one took something directly, so that session tells it itself. If it
  // comes by way of another session that had carried items over, nothing more is affected.
  if (origin !== undefined && origin.kind !== "further" && through !== undefined) return NO_EFFECT;
  if (origin === undefined || (origin.kind === "continuation" && origin.state === "pending")) {
    return pendingOrigin(unit) !== undefined || unit.session.copying !== null ? { of: "arrivals" } : NO_EFFECT;
  }
  if (origin.state === "lost") return NO_EFFECT;
  const seqs = seqsOf(erasure);
  const isPastIt = origin.kind !== "further" && origin.state === "done" && upTo(seqs, origin.throughSeq) === null;
  if (isPastIt && seqs !== null) return NO_EFFECT;
  if (origin.kind !== "fork") return { of: "items", origin };
  const taken = upTo(seqs, origin.throughSeq);
  return taken === null ? NO_EFFECT : { of: "messages", seqs: taken };
}

/**
 * Called on a copy: erases what it took from other sessions and was erased there: messages of a fork, items of a
 * continuation. Messages that were appended to the copy itself stay. The whole copy is erased if it is an import in
 * progress, if it is still being copied and its whole source was erased, or if it has expired and so cannot be
 * summarized again.
 * @returns whether the whole session was erased; and otherwise which messages were
 */
export function eraseCopied(
  unit: Unit,
  erased: readonly Erased[],
): { readonly isGone: boolean; readonly forgotten: readonly SeqSet[] } {
  const forgotten: SeqSet[] = [];
  // A page that is on its way to a fork may still contain what was erased, so a fork in progress starts again.
  if (unit.session.copying !== null && erased.length > 0) beginAgain(unit, unit.session.copying);
  for (const erasure of erased) {
    const touch = effectOf(unit, erasure);
    if (touch.of === "nothing") continue;
    if (touch.of === "arrivals") {
      noteErasuresOnArrival(unit, erasure);
      continue;
    }
    // An imported item may say in other words what was erased, so the import is ended: the file has to be sent and
    // checked again.
    const isFile = unit.session.copying?.kind === "import";
    if (isFile || unit.session.expiredAt !== null || (unit.session.copying !== null && isAll(erasure))) {
      eraseSession(unit);
      return { isGone: true, forgotten: [] };
    }
    if (touch.of === "items") {
      eraseCarried(unit, touch.origin, erasure);
      continue;
    }
    const held = unit.store.messages.unerased(touch.seqs);
    if (held === null) continue;
    eraseSeqs(unit, held);
    forgotten.push(held);
  }
  return { isGone: false, forgotten };
}

/** Notes an erasure that affects items which are still to arrive, so that they are checked against it when they do. */
function noteErasuresOnArrival(unit: Unit, erasure: Erased): void {
  const isPending = pendingOrigin(unit) !== undefined;
  // A fork in progress starts again, and its source has erased this already.
  if (!isPending && unit.session.copying?.kind !== "import") return;
  noteSourceErasures(unit, erasure);
  if (isPending) rescheduleCarryOver(unit);
}

/**
 * Notes what was erased at a source.
 * @returns whether any of it was not noted before
 */
function noteSourceErasures(unit: Unit, { source, seqs, throughSeq, through }: Erased): boolean {
  const whats = seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }];
  let isNews = false;
  for (const what of whats) isNews = unit.store.lineage.noteSourceErasure(source, what, through ?? null) || isNews;
  return isNews;
}

/**
 * A copy's answer to a session that told it of erasures: whether nothing of that is left here or in the archive in this
 * session's name; and a page of what this session's own copies must erase because of it.
 * @param place where that page begins
 */
export function answerFor(
  unit: Unit,
  erased: readonly Erased[],
  place: PassedOnPlace,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  const session = unit.findUnerased();
  // An earlier epoch of this id may have been the copy: as long as its erasure is pending, the archive may still hold
  // its content.
  let isConfirmed = !unit.store.jobs.isPending("erase");
  const passing: Erased[] = [];
  for (const erasure of erased) {
    if (session === null) break;
    const touch = effectOf(unit, erasure);
    const isItems = touch.of === "items" || (touch.of === "nothing" && wereItemsErased(unit, erasure));
    if (touch.of === "messages") {
      isConfirmed &&= !isHeldHere(unit, lowestOf(touch.seqs));
      passing.push(erasedOf(epochRefOf(session), touch.seqs));
    }
    if (isItems) {
      // Items that are asked for again may repeat it in other words, and so may everything that was summarized here
      // while they were part of the summary.
      isConfirmed &&= pendingOrigin(unit) === undefined && !isHeldHere(unit, 1);
      passing.push({ ...erasure, through: epochRefOf(session) });
    }
  }
  return { isConfirmed, ...passedOn(unit, passing, place) };
}

/**
 * Whether items were deleted here because of an erasure that affects nothing any more: what was carried over again
 * since then ends before it, or the source could not be asked. The archive may still hold those items.
 */
function wereItemsErased(unit: Unit, erasure: Erased): boolean {
  const { store } = unit;
  const origin = store.lineage.origins().find(({ epoch }) => epoch === erasure.source.epoch);
  if (origin === undefined || origin.kind === "fork") return false;
  const { source, seqs, throughSeq } = erasure;
  return store.lineage.isErasedAtSource(source, seqs ?? (throughSeq === undefined ? [] : [throughSeq]));
}

function epochRefOf({ session, epoch }: SessionRow): EpochRef {
  return { session, epoch };
}

/**
 * Erases carried items that cite erased messages. A model may have put what was erased into other carried items too,
 * and from them into items of this session. So the source is asked again for its items, and everything else is
 * summarized again; if the source cannot be asked, all carried items are deleted.
 */
function eraseCarried(unit: Unit, origin: OriginRow, erasure: Erased): void {
  const { store } = unit;
  const direct = store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state !== "lost");
  // The sender repeats an erasure until the copy confirms it, and sessions can continue from each other in a circle,
  // through epochs that are over. So an erasure that is noted already ends here. By way of which session it came makes
  // it new only if no source is asked again.
  if (!noteSourceErasures(unit, direct === undefined ? erasure : { ...erasure, through: undefined })) return;
  store.countChange();
  deleteCarried(unit, origin, seqsOf(erasure));
  if (direct !== undefined && !(isAll(erasure) && direct.epoch === origin.epoch)) {
    store.lineage.putOrigin({ ...direct, state: "stale" });
    rescheduleCarryOver(unit);
  } else {
    deleteCarried(unit, origin, null);
    if (erasure.through !== undefined) deleteCarried(unit, erasure.through, null);
    rebuildFromStart(unit);
  }
  if (store.summaries.newest() !== null) scheduleArchive(unit, true);
}

function deleteCarried(unit: Unit, source: EpochRef, seqs: SeqSet | null): void {
  const { store } = unit;
  if (store.summaries.deleteCarriedItems(source, seqs).length > 0) countAnew(store);
  const job = summarizeJob(unit);
  if (job === undefined || job.draft === null) return;
  const isErased = seqs === null ? () => true : containsSeq(seqs);
  const isGone = (item: KeptItem): boolean =>
    item.sourceEpoch === source.epoch && item.sourceSeqs.some((seq) => isErased(seq));
  store.jobs.put({ ...job, draft: withoutItems(job.draft, isGone) });
}
