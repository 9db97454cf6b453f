import type { Outcome } from "../contracts/errors.ts";
import { setAsideIdOf } from "../contracts/job.ts";
import type { MessagePatch, Seq } from "../contracts/message.ts";
import type { Item } from "../contracts/summary.ts";
import { addedTokens } from "../memory/added-tokens.ts";
import { ownSources } from "../memory/items.ts";
import { contentTokens, isTold, messageText } from "../memory/message-text.ts";
import { fullFault } from "./append.ts";
import { oweRange } from "./auditing.ts";
import { oweCarryingAnew, pendingOrigin } from "./carrying.ts";
import { beginAgain } from "./copying.ts";
import { mayBeListed } from "./failed-jobs.ts";
import { noteChange, noteErasures } from "./feed-changes.ts";
import { type Erased, tellCopies } from "./lineage.ts";
import { isChangeUnheld } from "./message-archive.ts";
import { summarizeJob } from "./owed-summaries.ts";
import { newJob, oweArchive } from "./owed-work.ts";
import { startOfDay } from "./quota.ts";
import { findMessage } from "./reading.ts";
import { begunThrough, mayBeFoldedIn, REDO_DELAY_MS, redoFromStart, revived, uncovered, withoutItems } from "./redo.ts";
import { costOf, type JobRow, type MessageRow, type OriginRow, type SessionRow } from "./rows.ts";
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
  const content = patch.content ?? row.content;
  const metadata = patch.metadata ?? row.metadata;
  const contentJson = JSON.stringify(content);
  const isSaidAnew = contentJson !== JSON.stringify(row.content);
  const metadataJson = metadata === null ? null : JSON.stringify(metadata);
  const tokens = contentTokens(content);
  const size = { tokens, cost: costOf({ ...row, content, tokens }) };
  const change = store.messages.edit(row.seq, contentJson, metadataJson, size, now);
  store.countChange(
    change,
    isSaidAnew ? { at: now, day: startOfDay(now), tokens: addedTokens(row.content, content) } : null,
  );
  const head = store.messages.head();
  const fault = head === null || change.bytes <= 0 ? null : fullFault(head.seq, head.totalBytes);
  if (fault !== null) return { ok: false, fault };
  noteChange(store, "edited", { seq: row.seq });
  const told = messageText(content) === messageText(row.content) ? [] : [row.seq];
  const isCovered = isSaidAnew && invalidate(store, session, [row.seq], told, newId, now);
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
  const row = findMessage(store, id);
  if (row === null) return UNKNOWN_MESSAGE;
  if (row.erasedAt !== null) return { ok: true, value: row };
  eraseSeqs(store, session, [row.seq], newId, now);
  return { ok: true, value: store.messages.bySeq(row.seq) ?? row };
}

/** Whether what an erased message said may still be anywhere: in the archive, in copies, or in a summary that is yet to be made anew. */
export function isErasureOwed(store: SessionStore, session: SessionRow, seq: Seq): boolean {
  return session.archiveReplace || isChangeUnheld(session) || mayBeFoldedIn(store, seq) || store.lineage.owesErasures();
}

const UNKNOWN_MESSAGE: Outcome<never> = {
  ok: false,
  fault: { code: "message_not_found", detail: "The session has no message with this id." },
};

function eraseSeqs(
  store: SessionStore,
  session: SessionRow,
  seqs: readonly Seq[],
  newId: () => string,
  now: number,
): void {
  const told = toldAmong(store, seqs);
  store.countChange(store.messages.erase(seqs, now));
  noteErasures(store, seqs);
  const isCovered = invalidate(store, session, seqs, told, newId, now);
  oweArchivedChange(store, session, seqs, isCovered, newId, now);
  const { session: id, incarnation } = session;
  tellCopies(store, session, { source: { session: id, incarnation }, seqs }, newId, now);
}

/** So many messages are looked at before they are erased; of more one will have said something. */
const MAX_LOOKED_AT = 16;

/** Those that a summarizer is told of: of one without text, such as a form for a page, it is told nothing. */
function toldAmong(store: SessionStore, seqs: readonly Seq[]): readonly Seq[] {
  if (seqs.length > MAX_LOOKED_AT) return seqs;
  return seqs.filter((seq) => isTold(store.messages.bySeq(seq)?.content ?? null));
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
  seqs: readonly Seq[],
  told: readonly Seq[],
  newId: () => string,
  now: number,
): boolean {
  const newest = store.summaries.newest();
  const job = summarizeJob(store);
  const isCovered = (seq: Seq): boolean => newest !== null && seq <= newest.throughSeq;
  let changed = told;
  if (newest !== null && seqs.some(isCovered)) {
    const gone = store.summaries.deleteItemsCiting(seqs.filter(isCovered));
    store.summaries.hide(uncovered(gone, store.summaries.items(newest.version)));
    if (gone.length > 0) changed = seqs;
  }
  const covered = changed.filter(isCovered);
  if (job !== undefined) taint(store, job, changed, now);
  else if (newest !== null && covered.length > 0) {
    store.jobs.put({
      ...newJob("summarize", session.incarnation, newId(), newest.throughSeq, now + REDO_DELAY_MS, now),
      redoBase: store.summaries.versionBefore(Math.min(...covered)),
    });
  }
  return covered.length > 0;
}

/** Owes the archive a change of messages, if it holds any of them, or a summary that covers them. */
function oweArchivedChange(
  store: SessionStore,
  session: SessionRow,
  seqs: readonly Seq[],
  isCovered: boolean,
  newId: () => string,
  now: number,
): void {
  const archivedSeq = store.session()?.messageArchive?.throughSeq ?? 0;
  if (!isCovered && seqs.every((seq) => seq > archivedSeq)) return;
  oweArchive(store, session, newId, now, isCovered, seqs);
}

/** Makes an open job fit the change: one that somebody is at is followed by another, any else begins further back. */
function taint(store: SessionStore, open: JobRow, seqs: readonly Seq[], now: number): void {
  const newest = store.summaries.newest();
  const covered = newest?.throughSeq ?? 0;
  // Nobody is paid at the moment: what rests on it would have to be made again in any case.
  const job = open.lease === null && seqs.some((seq) => seq <= begunThrough(open)) ? { ...open, draft: null } : open;
  const begun = begunThrough(job);
  const given = new Set(seqs.filter((seq) => seq <= begun));
  const behind = seqs.filter((seq) => seq > begun && seq <= covered);
  let changed: JobRow = job;
  if (given.size > 0) {
    changed = {
      ...changed,
      isUpgrade: false,
      taintedFromSeq: Math.min(job.taintedFromSeq ?? Number.MAX_SAFE_INTEGER, ...given),
    };
    if (job.draft !== null) {
      const isGone = (item: Item): boolean => ownSources(item).some((seq) => given.has(seq));
      const draft = withoutItems(job.draft, isGone);
      store.summaries.hide(uncovered(job.draft.items.filter(isGone), draft.items));
      changed = { ...changed, ...revived(job, now), draft };
    }
  }
  if (behind.length > 0) {
    const redoBase = Math.min(
      job.redoBase ?? Number.MAX_SAFE_INTEGER,
      store.summaries.versionBefore(Math.min(...behind)),
    );
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
  const settles = store.jobs.all().filter((open) => !isErasure(open) && mayBeListed(open));
  store.wipe(now);
  const { session: id, incarnation } = session;
  tellCopies(store, session, { source: { session: id, incarnation }, seqs: null }, newId, now);
  for (const origin of store.lineage.origins()) {
    if (origin.kind === "fork") continue;
    // What copies carry on from there goes too: through this session they would have heard of later erasures.
    tellCopies(store, session, { source: origin, seqs: null }, newId, now);
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
  };
  store.jobs.put(job);
  return job;
}

function isErasure({ kind }: JobRow): boolean {
  return kind === "erase" || kind === "erase-copies";
}

/**
 * Erases what this session took from others that was erased there: messages of a fork, items of a continuation. What was said in
 * it since stays. A copy that has nothing of its own yet, or that expired and so cannot be summarized again, goes as a whole.
 * @returns whether the session is gone, and the seqs that its search index must forget
 */
export function eraseCopied(
  store: SessionStore,
  session: SessionRow,
  erased: readonly Erased[],
  newId: () => string,
  now: number,
): { readonly isGone: boolean; readonly seqs: readonly Seq[] } {
  const forgotten: Seq[] = [];
  // A page that is on its way to a fork may still hold it, and a later one be of the same moment.
  if (session.copying !== null && erased.length > 0) beginAgain(store, session.copying);
  for (const told of erased) {
    const { source, seqs, through } = told;
    const origin = store.lineage
      .origins()
      .find(({ session: id, incarnation }) => id === source.session && incarnation === source.incarnation);
    // Where something was taken from tells it itself: another that is erased takes none of that along.
    if (origin !== undefined && origin.kind !== "further" && through !== undefined) continue;
    if (origin === undefined || (origin.kind === "continuation" && origin.state === "pending")) {
      if (pendingOrigin(store) === undefined) continue;
      // What is on its way here may still hold it, also in other words.
      store.lineage.hear(source.session, seqs);
      oweCarryingAnew(store, session, newId, now);
      continue;
    }
    const isPastIt =
      origin.kind !== "further" && origin.state === "done" && seqs?.every((seq) => seq > origin.throughSeq) === true;
    if (isPastIt) continue;
    if (session.expiredAt !== null || (session.copying !== null && seqs === null)) {
      eraseSession(store, session, newId, now);
      return { isGone: true, seqs: [] };
    }
    if (origin.kind !== "fork") {
      eraseCarried(store, session, origin, told, newId, now);
      continue;
    }
    const among = seqs === null ? null : new Set(seqs);
    const held = store.messages.unerasedSeqs(1, origin.throughSeq).filter((seq) => among?.has(seq) !== false);
    if (held.length === 0) continue;
    eraseSeqs(store, session, held, newId, now);
    forgotten.push(...held);
  }
  return { isGone: false, seqs: forgotten };
}

/**
 * Erases items that were carried over. A model may have folded what was erased into others of them, and those into items of this
 * session: the session that they came from is asked anew what it holds; where it can't be, all of them go.
 */
function eraseCarried(
  store: SessionStore,
  session: SessionRow,
  origin: OriginRow,
  { seqs, through }: Erased,
  newId: () => string,
  now: number,
): void {
  // Sessions may continue from each other in a circle, by lives that are long over: what is no news is not told on.
  if (!store.lineage.hear(origin.session, seqs)) return;
  store.countChange();
  deleteCarried(store, origin.session, seqs);
  const direct = store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state !== "lost");
  if (direct !== undefined && !(seqs === null && direct.session === origin.session)) {
    store.lineage.putOrigin({ ...direct, state: "stale" });
    oweCarryingAnew(store, session, newId, now);
  } else {
    deleteCarried(store, origin.session, null);
    if (through !== undefined) deleteCarried(store, through, null);
    redoFromStart(store, session, newId, now);
  }
  if (store.summaries.newest() !== null) oweArchive(store, session, newId, now, true);
  tellCopies(store, session, { source: origin, seqs }, newId, now);
}

function deleteCarried(store: SessionStore, source: string, seqs: readonly Seq[] | null): void {
  store.summaries.deleteCarriedItems(source, seqs);
  const job = summarizeJob(store);
  if (job === undefined || job.draft === null) return;
  const among = seqs === null ? null : new Set(seqs);
  const isGone = (item: Item): boolean =>
    item.sourceSession === source && (among === null || item.sourceSeqs.some((seq) => among.has(seq)));
  store.jobs.put({ ...job, draft: withoutItems(job.draft, isGone) });
}
