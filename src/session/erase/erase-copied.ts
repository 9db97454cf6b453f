import type { KeptItem } from "../../api/summary.ts";
import {
  beginAgain,
  type CopyAnswer,
  type Erased,
  furtherCopies,
  isAll,
  rescheduleCarryOver,
  pendingOrigin,
  seqsOf,
  type Taken,
} from "../copies/index.ts";
import { scheduleArchive } from "../outbox/index.ts";
import { containsSeq, type EpochRef, lowestOf, type OriginRow, type SeqSet, upTo } from "../sqlite/index.ts";
import { countAnew, rebuildFromStart, summarizeJob, withoutItems } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { isHeldHere, eraseSeqs, eraseSession } from "./erase.ts";

/** What an erasure in another session affects in this one. */
type Effect =
  | { readonly of: "nothing" }
  /** Messages or items of it that are still being copied, imported or carried over, possibly in other words. */
  | { readonly of: "arrivals" }
  /** Messages that a fork copied. */
  | { readonly of: "messages"; readonly origin: OriginRow; readonly seqs: SeqSet }
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
  return taken === null ? NO_EFFECT : { of: "messages", origin, seqs: taken };
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
    const held = unit.store.messageEraser.unerased(touch.seqs);
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
 * session's name; and a page of the copies that must erase it because they took it from here.
 * @param afterCopy where that page begins
 */
export function answerFor(
  unit: Unit,
  erased: readonly Erased[],
  afterCopy: number,
): Pick<CopyAnswer, "isConfirmed" | "further" | "more"> {
  // An earlier epoch of this id may have been the copy: as long as its erasure is pending, the archive may still hold
  // its content.
  let isConfirmed = !unit.store.jobs.isPending("erase");
  const all: Taken[] = [];
  for (const erasure of unit.findUnerased() === null ? [] : erased) {
    const taken = takenOf(unit, erasure);
    if (taken === null) continue;
    all.push(taken);
    isConfirmed &&= isGoneFromHere(unit, taken);
  }
  return { isConfirmed, ...furtherCopies(unit, allOf(all), afterCopy) };
}

function isGoneFromHere(unit: Unit, { what, fromSeq }: Taken): boolean {
  if (what === "messages") return !isHeldHere(unit, fromSeq);
  // Items that are asked for again may repeat it in other words, and so may everything that was summarized here while
  // they were part of the summary.
  return pendingOrigin(unit) === undefined && !isHeldHere(unit, 1);
}

/** What this session took of something that was erased elsewhere; null if nothing. */
function takenOf(unit: Unit, erasure: Erased): Taken | null {
  const touch = effectOf(unit, erasure);
  if (touch.of === "messages") {
    return { what: "messages", fromSeq: lowestOf(touch.seqs), throughSeq: touch.origin.throughSeq };
  }
  if (touch.of === "items") {
    const { kind, state, throughSeq } = touch.origin;
    return { what: "items", fromSeq: 1, throughSeq: kind === "continuation" && state === "done" ? throughSeq : null };
  }
  const wereItems = touch.of === "nothing" && wereItemsErased(unit, erasure);
  return wereItems ? { what: "items", fromSeq: 1, throughSeq: null } : null;
}

/** Combines what a session took of several erasures. Where it took messages of the source, its copies have them from it. */
function allOf(all: readonly Taken[]): Taken | null {
  const messages = all.filter(({ what }) => what === "messages");
  const of = messages.length > 0 ? messages : all;
  const [first] = of;
  if (first === undefined) return null;
  const limits = of.flatMap(({ throughSeq }) => throughSeq ?? []);
  return {
    what: first.what,
    fromSeq: Math.min(...of.map(({ fromSeq }) => fromSeq)),
    throughSeq: limits.length < of.length ? null : Math.max(...limits),
  };
}

/**
 * Whether items were deleted here because of an erasure that affects nothing any more: what was carried over again
 * since then ends before it, or the source was gone when it was asked again. The archive and copies of this session may
 * still hold those items.
 */
function wereItemsErased(unit: Unit, erasure: Erased): boolean {
  const { store } = unit;
  const origin = store.lineage.origins().find(({ epoch }) => epoch === erasure.source.epoch);
  if (origin === undefined || origin.kind === "fork") return false;
  if (origin.state === "lost") return true;
  const { source, seqs, throughSeq } = erasure;
  return store.lineage.isErasedAtSource(source, seqs ?? (throughSeq === undefined ? [] : [throughSeq]));
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
  if (job === undefined) return;
  const inProgress = store.jobs.inProgress(job.id);
  const { draft } = inProgress;
  if (draft === null) return;
  const isErased = seqs === null ? () => true : containsSeq(seqs);
  const isGone = (item: KeptItem): boolean =>
    item.sourceEpoch === source.epoch && item.sourceSeqs.some((seq) => isErased(seq));
  store.jobs.putInProgress(job.id, { ...inProgress, draft: withoutItems(draft, isGone) });
}
