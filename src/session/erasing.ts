import type { Outcome } from "../contracts/errors.ts";
import { setAsideIdOf } from "../contracts/job.ts";
import type { MessagePatch, Seq } from "../contracts/message.ts";
import type { Item, KeptItem } from "../contracts/summary.ts";
import { addedTokens } from "../memory/added-tokens.ts";
import { isOn } from "../memory/branch.ts";
import { ownSources } from "../memory/items.ts";
import { contentTokens, isTold, messageText } from "../memory/message-text.ts";
import { fullFault } from "./append.ts";
import { oweRange } from "./auditing.ts";
import { oweCarryingAnew, pendingOrigin } from "./carrying.ts";
import { beginAgain } from "./copying.ts";
import { mayBeListed } from "./failed-jobs.ts";
import { noteChange, noteErasures } from "./feed-changes.ts";
import {
  type CopyAnswer,
  type Erased,
  erasedOf,
  furtherOrigins,
  isAll,
  passedOn,
  type PassedOnPlace,
  seqsOf,
  tellCopies,
  upTo,
} from "./lineage.ts";
import { isChangeUnheld } from "./message-archive.ts";
import { summarizeJob } from "./owed-summaries.ts";
import { newJob, oweArchive } from "./owed-work.ts";
import { startOfDay } from "./quota.ts";
import { findMessage } from "./reading.ts";
import {
  begunThrough,
  countAnew,
  coveredAmong,
  coveredAnywhere,
  mayBeFoldedIn,
  REDO_DELAY_MS,
  redoFromStart,
  revived,
  uncovered,
  withoutItems,
} from "./redo.ts";
import {
  costOf,
  type JobRow,
  type Life,
  type MessageRow,
  type OriginRow,
  type SeqSet,
  type SessionRow,
  type TotalsChange,
} from "./rows.ts";
import { keepDay } from "./spending.ts";
import type { SessionStore } from "./store.ts";

/**
 * Changes what a message says, in the caller's transaction: a fault has to roll it back. Its place, its id and the hash of what was first appended stay, so that a retry of the first
 * append is no conflict. What the summary made of the old text goes as if it had been erased.
 */
export function editMessage(
  store: SessionStore,
  session: SessionRow,
  id: string,
  patch: MessagePatch,
  newId: () => string,
  now: number,
): Outcome<MessageRow> {
  const row = findMessage(store, id);
  if (row === null) return UNKNOWN_MESSAGE;
  if (row.content === null) {
    return {
      ok: false,
      fault: { code: "message_erased", detail: "The message was erased. Append a new one instead." },
    };
  }
  if (patch.pinned !== undefined && patch.pinned !== row.isPinned) store.messages.pin(row.seq, patch.pinned);
  if (patch.content === undefined && patch.metadata === undefined) {
    // What was said is as it was: summaries hold, and an export that goes on tells of the change all the same.
    store.countChange(NO_CHANGE, null);
    noteChange(store, "edited", { seq: row.seq });
    return { ok: true, value: store.messages.bySeq(row.seq) ?? row };
  }
  const content = patch.content ?? row.content;
  const metadata = patch.metadata ?? row.metadata;
  const contentJson = JSON.stringify(content);
  const isSaidAnew = contentJson !== JSON.stringify(row.content);
  const metadataJson = metadata === null ? null : JSON.stringify(metadata);
  const tokens = contentTokens(content);
  const size = { tokens, cost: costOf({ ...row, content, tokens }) };
  const change = store.messages.edit(row.seq, content, contentJson, metadataJson, size, now);
  store.countChange(
    change,
    isSaidAnew
      ? { at: now, day: startOfDay(now), tokens: addedTokens(row.content, content, row.tokens, tokens) }
      : null,
  );
  const head = store.messages.head();
  const fault = head === null || change.bytes <= 0 ? null : fullFault(head.seq, head.totalBytes);
  if (fault !== null) return { ok: false, fault };
  noteChange(store, "edited", { seq: row.seq });
  const told = messageText(content) === messageText(row.content) ? [] : [row.seq];
  const isCovered = isSaidAnew && invalidate(store, session, [row.seq], told, newId, now);
  // Whether an item cited it or not: no summarizer was told yet what it says now.
  if (told.length > 0 && isGiven(store, row.seq)) store.summaries.hide(told);
  oweArchivedChange(store, session, [row.seq], isCovered, newId, now);
  return { ok: true, value: store.messages.bySeq(row.seq) ?? row };
}

/** Erases what a message said, everywhere in the object, at once. Its seq and its id stay taken. Idempotent. */
export function eraseMessage(
  store: SessionStore,
  session: SessionRow,
  id: string,
  newId: () => string,
  now: number,
): Outcome<MessageRow> {
  const row = findMessage(store, id, "told");
  if (row === null) return UNKNOWN_MESSAGE;
  if (row.erasedAt !== null) return { ok: true, value: row };
  eraseSeqs(store, session, [row.seq], newId, now);
  tellErased(store, session, [row.seq], newId, now);
  return { ok: true, value: store.messages.bySeq(row.seq) ?? row };
}

/** Whether what an erased message said may still be anywhere: in the archive, in copies, or in a summary that is yet to be made anew. */
export function isErasureOwed(store: SessionStore, session: SessionRow, seq: Seq): boolean {
  return isHeldHere(store, session, seq) || store.lineage.owesErasures();
}

/** The same of this session alone, of messages from one on. */
function isHeldHere(store: SessionStore, session: SessionRow, fromSeq: Seq): boolean {
  return (
    store.messages.isErasing() || session.archiveReplace || isChangeUnheld(session) || mayBeFoldedIn(store, fromSeq)
  );
}

const NO_CHANGE: TotalsChange = { cost: 0, bytes: 0 };

const UNKNOWN_MESSAGE: Outcome<never> = {
  ok: false,
  fault: { code: "message_not_found", detail: "The session has no message with this id." },
};

function eraseSeqs(store: SessionStore, session: SessionRow, seqs: SeqSet, newId: () => string, now: number): void {
  const told = toldAmong(store, seqs);
  store.countChange(
    "throughSeq" in seqs ? store.messages.eraseThrough(seqs.throughSeq, now) : store.messages.erase(seqs, now),
  );
  noteErasures(store, seqs);
  const isCovered = invalidate(store, session, seqs, told, newId, now);
  oweArchivedChange(store, session, seqs, isCovered, newId, now);
}

function tellErased(
  store: SessionStore,
  session: SessionRow,
  seqs: SeqSet | null,
  newId: () => string,
  now: number,
): void {
  tellCopies(store, session, erasedOf(lifeOf(session), seqs), newId, now);
}

/** So many messages are looked at before they are erased; of more one will have said something. */
const MAX_LOOKED_AT = 16;

/** Those that a summarizer is told of: of one without text, such as a form for a page, it is told nothing. */
function toldAmong(store: SessionStore, seqs: SeqSet): SeqSet {
  if ("throughSeq" in seqs || seqs.length > MAX_LOOKED_AT) return seqs;
  return seqs.filter((seq) => isTold(store.messages.bySeq(seq, "told")?.content ?? null));
}

/**
 * Takes out of the summary, and out of what is being made of it, all that rests on these messages, and owes a new summary from
 * before the first of them: a model may have folded their content into items that cite others.
 * @param told those of them of which a summarizer is told anything else than before: without one, and without an item that cites any of them, it would be
 * paid for the same again
 * @returns whether the newest version covers any of them
 */
function invalidate(
  store: SessionStore,
  session: SessionRow,
  seqs: SeqSet,
  told: SeqSet,
  newId: () => string,
  now: number,
): boolean {
  const newest = store.summaries.newest();
  const job = summarizeJob(store);
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
  const covered = coveredAmong(store, changed);
  if (job !== undefined) taint(store, job, changed, now);
  else if (newest !== null && covered !== null) {
    store.jobs.put({
      ...newJob("summarize", session.incarnation, newId(), newest.throughSeq, now + REDO_DELAY_MS, now),
      redoBase: store.summaries.versionBefore(lowestOf(covered)),
    });
  }
  return covered !== null;
}

/** Owes the archive a change of messages, if it holds any of them, or a summary that covers them. */
function oweArchivedChange(
  store: SessionStore,
  session: SessionRow,
  seqs: SeqSet,
  isCovered: boolean,
  newId: () => string,
  now: number,
): void {
  const archivedSeq = store.session()?.messageArchive?.throughSeq ?? 0;
  if (!isCovered && upTo(seqs, archivedSeq) === null) return;
  oweArchive(store, session, newId, now, isCovered, seqs);
}

/** Whether a summary covers a message, or the one that is being made has been given it. */
function isGiven(store: SessionStore, seq: Seq): boolean {
  if (coveredAmong(store, [seq]) !== null) return true;
  const job = summarizeJob(store);
  return job !== undefined && seq <= begunThrough(job) && isOn(store.branches.through(job.throughSeq), seq);
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
function concerning(store: SessionStore, job: JobRow, seqs: SeqSet): SeqSet {
  if (store.branches.isSole || "throughSeq" in seqs) return seqs;
  const branch = store.branches.through(job.throughSeq);
  const covered = holds(coveredAmong(store, seqs) ?? []);
  return seqs.filter((seq) => isOn(branch, seq) || covered(seq));
}

/** Those that somebody who reads a branch comes by, and the others. */
function partByBranch({ branches }: SessionStore, headSeq: Seq, seqs: SeqSet): { on: SeqSet; off: SeqSet } {
  if (branches.isSole || "throughSeq" in seqs) return { on: seqs, off: [] };
  const branch = branches.through(headSeq);
  return { on: seqs.filter((seq) => isOn(branch, seq)), off: seqs.filter((seq) => !isOn(branch, seq)) };
}

/** Makes an open job fit the change: one that somebody is at is followed by another, any else begins further back. */
function taint(store: SessionStore, open: JobRow, given: SeqSet, now: number): void {
  const seqs = concerning(store, open, given);
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
      taintedFromSeq: Math.min(job.taintedFromSeq ?? Number.MAX_SAFE_INTEGER, firstGiven),
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
    const redoBase = Math.min(job.redoBase ?? Number.MAX_SAFE_INTEGER, before);
    changed = {
      ...changed,
      ...revived(job, now),
      throughSeq: Math.max(job.throughSeq, covered),
      redoBase,
      isUpgrade: false,
    };
  }
  if (changed !== open) store.jobs.put(changed);
}

/** Erases the session: nothing that was said is left, and it is owed to the archive and to every copy to do the same. */
export function eraseSession(store: SessionStore, session: SessionRow, newId: () => string, now: number): JobRow {
  oweRange(store, session, now);
  keepDay(store, session, now);
  // Erasures go on, and are taken off the lists when they are done; whatever else ends here nobody would take off.
  const settles = store.jobs.ending().filter(mayBeListed);
  store.wipe(now);
  tellErased(store, session, null, newId, now);
  // What copies carry on from there goes too: through this session they would have heard of later erasures.
  for (const origin of furtherOrigins(store)) {
    tellCopies(
      store,
      session,
      erasedOf({ session: origin.session, incarnation: origin.incarnation }, null, lifeOf(session)),
      newId,
      now,
    );
  }
  store.lineage.clearCopies();
  store.lineage.clearOrigins();
  const job = {
    ...newJob("erase", session.incarnation, newId(), 0, now, now),
    settles: [
      ...settles.map((ended) => ended.id),
      ...(session.archiveAside === 0 ? [] : [setAsideIdOf(session.incarnation)]),
    ],
    grantedAt: session.grantedAt,
    beganAt: session.beganAt,
  };
  store.jobs.put(job);
  return job;
}

/**
 * When the life began that a job erases: the archive takes the one that began later for the last. An earlier version of this code did not keep it;
 * of the life before the newest it is known that it began before that one.
 */
export function beganOf(job: JobRow, session: SessionRow): number {
  if (job.beganAt > 0) return job.beganAt;
  return job.incarnation === session.incarnation ? session.beganAt : session.beganAt - 1;
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

function touchOf(store: SessionStore, session: SessionRow, told: Erased): Touch {
  const { source, through } = told;
  const origin = store.lineage.origins().find(({ incarnation }) => incarnation === source.incarnation);
  // Where something was taken from tells it itself: another that is erased takes none of that along.
  if (origin !== undefined && origin.kind !== "further" && through !== undefined) return NOTHING;
  if (origin === undefined || (origin.kind === "continuation" && origin.state === "pending")) {
    return pendingOrigin(store) !== undefined || session.copying !== null ? { of: "arrivals" } : NOTHING;
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
  store: SessionStore,
  session: SessionRow,
  erased: readonly Erased[],
  newId: () => string,
  now: number,
): { readonly isGone: boolean; readonly forgotten: readonly SeqSet[] } {
  const forgotten: SeqSet[] = [];
  // A page that is on its way to a fork may still hold it, and a later one be of the same moment.
  if (session.copying !== null && erased.length > 0) beginAgain(store, session.copying);
  for (const told of erased) {
    const touch = touchOf(store, session, told);
    if (touch.of === "nothing") continue;
    if (touch.of === "arrivals") {
      hearOfArrivals(store, session, told, newId, now);
      continue;
    }
    // What is in of a file may say in other words what was erased there: it has to come anew, and is checked anew.
    const isFile = session.copying?.kind === "import";
    if (isFile || session.expiredAt !== null || (session.copying !== null && isAll(told))) {
      eraseSession(store, session, newId, now);
      return { isGone: true, forgotten: [] };
    }
    if (touch.of === "items") {
      eraseCarried(store, session, touch.origin, told, newId, now);
      continue;
    }
    const held = store.messages.unerased(touch.seqs);
    if (held === null) continue;
    eraseSeqs(store, session, held, newId, now);
    forgotten.push(held);
  }
  return { isGone: false, forgotten };
}

/** What is on its way here is worth nothing any more, or is held against this when it is here. */
function hearOfArrivals(
  store: SessionStore,
  session: SessionRow,
  told: Erased,
  newId: () => string,
  now: number,
): void {
  const isPending = pendingOrigin(store) !== undefined;
  // A fork is copied anew, and what it comes from has erased it.
  if (!isPending && session.copying?.kind !== "import") return;
  hear(store, told);
  if (isPending) oweCarryingAnew(store, session, newId, now);
}

/** @returns whether any of it is news */
function hear(store: SessionStore, { source, seqs, throughSeq, through }: Erased): boolean {
  const whats = seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }];
  let isNews = false;
  for (const what of whats) isNews = store.lineage.hear(source, what, through ?? null) || isNews;
  return isNews;
}

/**
 * Whether nothing is left here, nor in the archive in the name of this session, of what others were told to be erased; and what copies of
 * this session have to be told of it.
 * @param session null if no life goes on
 */
export function answerFor(
  store: SessionStore,
  session: SessionRow | null,
  erased: readonly Erased[],
  place: PassedOnPlace,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  // An earlier life may have been the copy: the archive may still hold it.
  let isConfirmed = !store.jobs.isOwed("erase");
  const passing: Erased[] = [];
  for (const told of erased) {
    if (session === null) break;
    const touch = touchOf(store, session, told);
    const isItems = touch.of === "items" || (touch.of === "nothing" && wereItemsErased(store, told));
    if (touch.of === "messages") {
      isConfirmed &&= !isHeldHere(store, session, lowestOf(touch.seqs));
      passing.push(erasedOf(lifeOf(session), touch.seqs));
    }
    if (isItems) {
      // Where it came from may say it in other words, and so may whatever was made here with it in sight.
      isConfirmed &&= pendingOrigin(store) === undefined && !isHeldHere(store, session, 1);
      passing.push({ ...told, through: lifeOf(session) });
    }
  }
  return { isConfirmed, ...passedOn(store, session, passing, place) };
}

/**
 * Whether items went from here for an erasure that touches nothing any more: what was carried over anew since ends before it, or nobody could be
 * asked. The archive may still hold them.
 */
function wereItemsErased(store: SessionStore, told: Erased): boolean {
  const origin = store.lineage.origins().find(({ incarnation }) => incarnation === told.source.incarnation);
  if (origin === undefined || origin.kind === "fork") return false;
  const { source, seqs, throughSeq } = told;
  return store.lineage.isHeard(source, seqs ?? (throughSeq === undefined ? [] : [throughSeq]));
}

function lifeOf({ session, incarnation }: SessionRow): Life {
  return { session, incarnation };
}

/**
 * Erases items that were carried over. A model may have folded what was erased into others of them, and those into items of this
 * session: the session that they came from is asked anew what it holds; where it can't be, all of them go.
 */
function eraseCarried(
  store: SessionStore,
  session: SessionRow,
  origin: OriginRow,
  told: Erased,
  newId: () => string,
  now: number,
): void {
  const direct = store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state !== "lost");
  // Sessions may continue from each other in a circle, by lives that are long over; and a copy is asked until it has confirmed. By which
  // session it has what it took is news only where nobody is asked anew.
  if (!hear(store, direct === undefined ? told : { ...told, through: undefined })) return;
  store.countChange();
  deleteCarried(store, origin, seqsOf(told));
  if (direct !== undefined && !(isAll(told) && direct.incarnation === origin.incarnation)) {
    store.lineage.putOrigin({ ...direct, state: "stale" });
    oweCarryingAnew(store, session, newId, now);
  } else {
    deleteCarried(store, origin, null);
    if (told.through !== undefined) deleteCarried(store, told.through, null);
    redoFromStart(store, session, newId, now);
  }
  if (store.summaries.newest() !== null) oweArchive(store, session, newId, now, true);
}

function deleteCarried(store: SessionStore, source: Life, seqs: SeqSet | null): void {
  if (store.summaries.deleteCarriedItems(source, seqs).length > 0) countAnew(store);
  const job = summarizeJob(store);
  if (job === undefined || job.draft === null) return;
  const isErased = seqs === null ? () => true : holds(seqs);
  const isGone = (item: KeptItem): boolean =>
    item.sourceIncarnation === source.incarnation && item.sourceSeqs.some((seq) => isErased(seq));
  store.jobs.put({ ...job, draft: withoutItems(job.draft, isGone) });
}
