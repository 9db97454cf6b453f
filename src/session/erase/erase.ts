import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { setAsideIdOf } from "../../api/job.ts";
import type { MessagePatch, Seq } from "../../api/message.ts";
import type { Item, KeptItem } from "../../api/summary.ts";
import { addedTokens } from "../../prompt/added-tokens.ts";
import { isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { contentTokens, isTold, messageText } from "../../prompt/message-text.ts";
import { isChangeUnheld } from "../archive/index.ts";
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
 * Changes what a message says, in the caller's transaction: a fault has to roll it back. Its place, its id and the hash of what was first appended stay, so that a retry of the first
 * append is no conflict. What the summary made of the old text goes as if it had been erased.
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
    // What was said is as it was: summaries hold, and an export that goes on tells of the change all the same.
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
  const told = messageText(content) === messageText(row.content) ? [] : [row.seq];
  const isCovered = isSaidAnew && invalidate(unit, [row.seq], told);
  // Whether an item cited it or not: no summarizer was told yet what it says now.
  if (told.length > 0 && isGiven(unit, row.seq)) store.summaries.hide(told);
  scheduleArchivedChange(unit, [row.seq], isCovered);
  return store.messages.bySeq(row.seq) ?? row;
}

/** Erases what a message said, everywhere in the object, at once. Its seq and its id stay taken. Idempotent. */
export function eraseMessage(unit: Unit, id: string): MessageRow {
  const row = findMessage(unit, id, "told");
  if (row === null) throw new ThreadkeepError(UNKNOWN_MESSAGE);
  if (row.erasedAt !== null) return row;
  eraseSeqs(unit, [row.seq]);
  tellErased(unit, [row.seq]);
  return unit.store.messages.bySeq(row.seq) ?? row;
}

/** Whether what an erased message said may still be anywhere: in the archive, in copies, or in a summary that is yet to be made anew. */
export function isErasurePending(unit: Unit, seq: Seq): boolean {
  return isHeldHere(unit, seq) || unit.store.lineage.hasPendingErasures();
}

/** The same of this session alone, of messages from one on. */
function isHeldHere(unit: Unit, fromSeq: Seq): boolean {
  return (
    unit.store.messages.isErasing() ||
    unit.session.archiveReplace ||
    isChangeUnheld(unit.session) ||
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
  const told = toldAmong(unit, seqs);
  store.countChange(
    "throughSeq" in seqs ? store.messages.eraseThrough(seqs.throughSeq, now) : store.messages.erase(seqs, now),
  );
  noteErasures(unit, seqs);
  const isCovered = invalidate(unit, seqs, told);
  scheduleArchivedChange(unit, seqs, isCovered);
}

function tellErased(unit: Unit, seqs: SeqSet | null): void {
  tellCopies(unit, erasedOf(epochRefOf(unit.session), seqs));
}

/** So many messages are looked at before they are erased; of more one will have said something. */
const MAX_LOOKED_AT = 16;

/** Those that a summarizer is told of: of one without text, such as a form for a page, it is told nothing. */
function toldAmong(unit: Unit, seqs: SeqSet): SeqSet {
  if ("throughSeq" in seqs || seqs.length > MAX_LOOKED_AT) return seqs;
  return seqs.filter((seq) => isTold(unit.store.messages.bySeq(seq, "told")?.content ?? null));
}

/**
 * Takes out of the summary, and out of what is being made of it, all that rests on these messages, and schedules a new summary from
 * before the first of them: a model may have folded their content into items that cite others.
 * @param told those of them of which a summarizer is told anything else than before: without one, and without an item that cites any of them, it would be
 * paid for the same again
 * @returns whether the newest version covers any of them
 */
function invalidate(unit: Unit, seqs: SeqSet, told: SeqSet): boolean {
  const { store, now } = unit;
  const newest = store.summaries.newest();
  const job = summarizeJob(unit);
  const coveredSeq = coveredAnywhere(store);
  const among = upTo(seqs, coveredSeq);
  let changed = told;
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

/** Schedules for the archive a change of messages, if it holds any of them, or a summary that covers them. */
function scheduleArchivedChange(unit: Unit, seqs: SeqSet, isCovered: boolean): void {
  const archivedSeq = unit.store.session()?.messageArchive?.sentSeq ?? 0;
  if (!isCovered && upTo(seqs, archivedSeq) === null) return;
  scheduleArchive(unit, isCovered, seqs);
}

/** Whether a summary covers a message, or the one that is being made has been given it. */
function isGiven(unit: Unit, seq: Seq): boolean {
  if (coveredAmong(unit, [seq]) !== null) return true;
  const job = summarizeJob(unit);
  return job !== undefined && seq <= begunThrough(job) && isOn(unit.store.branches.through(job.throughSeq), seq);
}

function lowestOf(seqs: SeqSet): Seq {
  return "throughSeq" in seqs ? 1 : seqs.reduce((lowest, seq) => Math.min(lowest, seq), Number.MAX_SAFE_INTEGER);
}

function holds(seqs: SeqSet): (seq: Seq) => boolean {
  if ("throughSeq" in seqs) return (seq) => seq <= seqs.throughSeq;
  const among = new Set(seqs);
  return (seq) => among.has(seq);
}

/** The lowest of some messages between two; null if there is none. */
function lowestBetween(seqs: SeqSet, afterSeq: Seq, throughSeq: Seq): Seq | null {
  if ("throughSeq" in seqs) return Math.min(seqs.throughSeq, throughSeq) > afterSeq ? afterSeq + 1 : null;
  const between = seqs.filter((seq) => seq > afterSeq && seq <= throughSeq);
  return between.length === 0 ? null : lowestOf(between);
}

/** Without those of another branch that no version covers: no summarizer of this job has seen them, or will. */
function concerning(unit: Unit, job: JobRow, seqs: SeqSet): SeqSet {
  const { store } = unit;
  if (store.branches.isSole || "throughSeq" in seqs) return seqs;
  const branch = store.branches.through(job.throughSeq);
  const covered = holds(coveredAmong(unit, seqs) ?? []);
  return seqs.filter((seq) => isOn(branch, seq) || covered(seq));
}

/** Those that somebody who reads a branch comes by, and the others. */
function partByBranch({ branches }: SessionStore, headSeq: Seq, seqs: SeqSet): { on: SeqSet; off: SeqSet } {
  if (branches.isSole || "throughSeq" in seqs) return { on: seqs, off: [] };
  const branch = branches.through(headSeq);
  return { on: seqs.filter((seq) => isOn(branch, seq)), off: seqs.filter((seq) => !isOn(branch, seq)) };
}

/** Makes an open job fit the change: one that somebody is at is followed by another, any else begins further back. */
function invalidateJob(unit: Unit, open: JobRow, given: SeqSet): void {
  const { store, now } = unit;
  const seqs = concerning(unit, open, given);
  const covered = store.summaries.newest()?.throughSeq ?? 0;
  // Of another branch the summarizer of this job was given nothing: versions that are to be replaced may have been.
  const { on, off } = partByBranch(store, open.throughSeq, seqs);
  // Nobody is paid at the moment: what rests on it would have to be made again in any case.
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
      const isErased = holds(seqs);
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

/** Erases the session: nothing that was said is left, and it is owed to the archive and to every copy to do the same. */
export function eraseSession(unit: Unit): JobRow {
  const { store, now } = unit;
  scheduleAuditRange(unit);
  keepDay(unit);
  // Erasures go on, and are taken off the lists when they are done; whatever else ends here nobody would take off.
  const settles = store.jobs.ending().filter(mayBeListed);
  store.wipe(now);
  tellErased(unit, null);
  // What copies carry on from there goes too: through this session they would have heard of later erasures.
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
 * When the epoch began that a job erases: the archive takes the one that began later for the last. An earlier version of this code did not keep it;
 * of the epoch before the newest it is known that it began before that one.
 */
export function beganOf(job: JobRow, session: SessionRow): number {
  if (job.beganAt > 0) return job.beganAt;
  return job.epoch === session.epoch ? session.beganAt : session.beganAt - 1;
}

/** What an erasure elsewhere means here. */
type Touch =
  | { readonly of: "nothing" }
  /** Something is on its way here that may still hold it, also in other words. */
  | { readonly of: "arrivals" }
  /** Messages of a fork. */
  | { readonly of: "messages"; readonly seqs: SeqSet }
  /** Items that were carried over. */
  | { readonly of: "items"; readonly origin: OriginRow };

const NOTHING: Touch = { of: "nothing" };

function touchOf(unit: Unit, told: Erased): Touch {
  const { source, through } = told;
  const origin = unit.store.lineage.origins().find(({ epoch }) => epoch === source.epoch);
  // Where something was taken from tells it itself: another that is erased takes none of that along.
  if (origin !== undefined && origin.kind !== "further" && through !== undefined) return NOTHING;
  if (origin === undefined || (origin.kind === "continuation" && origin.state === "pending")) {
    return pendingOrigin(unit) !== undefined || unit.session.copying !== null ? { of: "arrivals" } : NOTHING;
  }
  if (origin.state === "lost") return NOTHING;
  const seqs = seqsOf(told);
  const isPastIt = origin.kind !== "further" && origin.state === "done" && upTo(seqs, origin.throughSeq) === null;
  if (isPastIt && seqs !== null) return NOTHING;
  if (origin.kind !== "fork") return { of: "items", origin };
  const taken = upTo(seqs, origin.throughSeq);
  return taken === null ? NOTHING : { of: "messages", seqs: taken };
}

/**
 * Erases what this session took from others that was erased there: messages of a fork, items of a continuation. What was said in
 * it since stays. A copy that has nothing of its own yet, or that expired and so cannot be summarized again, goes as a whole.
 * @returns whether the session is gone, and what its search index must forget
 */
export function eraseCopied(
  unit: Unit,
  erased: readonly Erased[],
): { readonly isGone: boolean; readonly forgotten: readonly SeqSet[] } {
  const forgotten: SeqSet[] = [];
  // A page that is on its way to a fork may still hold it, and a later one be of the same moment.
  if (unit.session.copying !== null && erased.length > 0) beginAgain(unit, unit.session.copying);
  for (const told of erased) {
    const touch = touchOf(unit, told);
    if (touch.of === "nothing") continue;
    if (touch.of === "arrivals") {
      noteErasuresOnArrival(unit, told);
      continue;
    }
    // What is in of a file may say in other words what was erased there: it has to come anew, and is checked anew.
    const isFile = unit.session.copying?.kind === "import";
    if (isFile || unit.session.expiredAt !== null || (unit.session.copying !== null && isAll(told))) {
      eraseSession(unit);
      return { isGone: true, forgotten: [] };
    }
    if (touch.of === "items") {
      eraseCarried(unit, touch.origin, told);
      continue;
    }
    const held = unit.store.messages.unerased(touch.seqs);
    if (held === null) continue;
    eraseSeqs(unit, held);
    forgotten.push(held);
  }
  return { isGone: false, forgotten };
}

/** What is on its way here is worth nothing any more, or is held against this when it is here. */
function noteErasuresOnArrival(unit: Unit, told: Erased): void {
  const isPending = pendingOrigin(unit) !== undefined;
  // A fork is copied anew, and what it comes from has erased it.
  if (!isPending && unit.session.copying?.kind !== "import") return;
  hear(unit, told);
  if (isPending) rescheduleCarryOver(unit);
}

/** @returns whether any of it is news */
function hear(unit: Unit, { source, seqs, throughSeq, through }: Erased): boolean {
  const whats = seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }];
  let isNews = false;
  for (const what of whats) isNews = unit.store.lineage.noteSourceErasure(source, what, through ?? null) || isNews;
  return isNews;
}

/**
 * Whether nothing is left here, nor in the archive in the name of this session, of what others were told to be erased; and what copies of
 * this session have to be told of it.
 * @param session null if no epoch goes on
 */
export function answerFor(
  unit: Unit,
  erased: readonly Erased[],
  place: PassedOnPlace,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  const session = unit.findUnerased();
  // An earlier epoch may have been the copy: the archive may still hold it.
  let isConfirmed = !unit.store.jobs.isPending("erase");
  const passing: Erased[] = [];
  for (const told of erased) {
    if (session === null) break;
    const touch = touchOf(unit, told);
    const isItems = touch.of === "items" || (touch.of === "nothing" && wereItemsErased(unit, told));
    if (touch.of === "messages") {
      isConfirmed &&= !isHeldHere(unit, lowestOf(touch.seqs));
      passing.push(erasedOf(epochRefOf(session), touch.seqs));
    }
    if (isItems) {
      // Where it came from may say it in other words, and so may whatever was made here with it in sight.
      isConfirmed &&= pendingOrigin(unit) === undefined && !isHeldHere(unit, 1);
      passing.push({ ...told, through: epochRefOf(session) });
    }
  }
  return { isConfirmed, ...passedOn(unit, passing, place) };
}

/**
 * Whether items went from here for an erasure that touches nothing any more: what was carried over anew since ends before it, or nobody could be
 * asked. The archive may still hold them.
 */
function wereItemsErased(unit: Unit, told: Erased): boolean {
  const { store } = unit;
  const origin = store.lineage.origins().find(({ epoch }) => epoch === told.source.epoch);
  if (origin === undefined || origin.kind === "fork") return false;
  const { source, seqs, throughSeq } = told;
  return store.lineage.isErasedAtSource(source, seqs ?? (throughSeq === undefined ? [] : [throughSeq]));
}

function epochRefOf({ session, epoch }: SessionRow): EpochRef {
  return { session, epoch };
}

/**
 * Erases items that were carried over. A model may have folded what was erased into others of them, and those into items of this
 * session: the session that they came from is asked anew what it holds; where it can't be, all of them go.
 */
function eraseCarried(unit: Unit, origin: OriginRow, told: Erased): void {
  const { store } = unit;
  const direct = store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state !== "lost");
  // Sessions may continue from each other in a circle, by epochs that are long over; and a copy is asked until it has confirmed. By which
  // session it has what it took is news only where nobody is asked anew.
  if (!hear(unit, direct === undefined ? told : { ...told, through: undefined })) return;
  store.countChange();
  deleteCarried(unit, origin, seqsOf(told));
  if (direct !== undefined && !(isAll(told) && direct.epoch === origin.epoch)) {
    store.lineage.putOrigin({ ...direct, state: "stale" });
    rescheduleCarryOver(unit);
  } else {
    deleteCarried(unit, origin, null);
    if (told.through !== undefined) deleteCarried(unit, told.through, null);
    rebuildFromStart(unit);
  }
  if (store.summaries.newest() !== null) scheduleArchive(unit, true);
}

function deleteCarried(unit: Unit, source: EpochRef, seqs: SeqSet | null): void {
  const { store } = unit;
  if (store.summaries.deleteCarriedItems(source, seqs).length > 0) countAnew(store);
  const job = summarizeJob(unit);
  if (job === undefined || job.draft === null) return;
  const isErased = seqs === null ? () => true : holds(seqs);
  const isGone = (item: KeptItem): boolean =>
    item.sourceEpoch === source.epoch && item.sourceSeqs.some((seq) => isErased(seq));
  store.jobs.put({ ...job, draft: withoutItems(job.draft, isGone) });
}
