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
  /** Items that were carried over from one session. */
  | { readonly of: "items"; readonly origin: OriginRow }
  /** All carried items, from whichever session. `isFork`: they came along with the messages of the one that erased. */
  | { readonly of: "all items"; readonly isFork: boolean };

const NO_EFFECT: Effect = { of: "nothing" };

function effectOf(unit: Unit, erasure: Erased): Effect {
  const { source, through, isCutOff } = erasure;
  const origins = unit.store.lineage.origins();
  const origin = origins.find(({ epoch }) => epoch === source.epoch);
  if (through !== undefined && isCutOff !== true) return effectByWayOf(unit, source, through, origins);
  // This session took something from the source directly. It does not lose that because another session is over that
  // had taken something from the source too.
  if (isCutOff === true && origin !== undefined && origin.kind !== "further") return NO_EFFECT;
  if (origin === undefined || (origin.kind === "continuation" && origin.state === "pending")) {
    return effectOnArrivals(unit);
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
 * The effect of an erasure that comes by way of another session, which had items of the source. The model of any session
 * in between may have put what they say into items that cite its own messages. Those may be here under any name, also
 * if the source is this session itself, or the one that it is a fork of: sessions can take items from each other in a
 * circle.
 */
function effectByWayOf(unit: Unit, source: EpochRef, through: EpochRef, origins: readonly OriginRow[]): Effect {
  const isKnown = ({ epoch }: EpochRef): boolean =>
    epoch === unit.session.epoch || origins.some((origin) => origin.epoch === epoch);
  const hasCarried = origins.some(({ kind }) => kind !== "fork");
  if (!hasCarried || !(isKnown(source) || isKnown(through)) || origins.some(({ state }) => state === "pending")) {
    return effectOnArrivals(unit);
  }
  const origin = origins.find(({ epoch }) => epoch === source.epoch);
  return origin?.state === "lost" ? NO_EFFECT : { of: "all items", isFork: origin?.kind === "fork" };
}

function effectOnArrivals(unit: Unit): Effect {
  return pendingOrigin(unit) !== undefined || unit.session.copying !== null ? { of: "arrivals" } : NO_EFFECT;
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
    if (touch.of === "all items") {
      eraseAllCarried(unit, erasure);
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
  if (touch.of === "all items")
    return { what: touch.isFork ? "items of a fork" : "items", fromSeq: 1, throughSeq: null };
  const wereItems = touch.of === "nothing" && wereItemsErased(unit, erasure);
  return wereItems ? { what: "items", fromSeq: 1, throughSeq: null } : null;
}

/** Combines what a session took of several erasures. Where it is a fork of the source, its copies have that from it. */
function allOf(all: readonly Taken[]): Taken | null {
  const what = (["messages", "items of a fork", "items"] as const).find((each) => all.some((one) => one.what === each));
  if (what === undefined) return null;
  const of = all.filter((one) => one.what === what);
  const limits = of.flatMap(({ throughSeq }) => throughSeq ?? []);
  return {
    what,
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
 * summarized again; if the source cannot be asked, all items of the origin are deleted.
 */
function eraseCarried(unit: Unit, origin: OriginRow, erasure: Erased): void {
  const { store } = unit;
  // The sender repeats an erasure until the copy confirms it, so one that is noted already ends here.
  if (!noteSourceErasures(unit, erasure)) return;
  const direct = continued(unit);
  store.countChange();
  deleteCarried(unit, origin, seqsOf(erasure));
  if (direct !== undefined && !(isAll(erasure) && direct.epoch === origin.epoch)) askAgain(unit, direct);
  else {
    deleteCarried(unit, origin, null);
    if (erasure.through !== undefined) deleteCarried(unit, erasure.through, null);
    rebuildFromStart(unit);
  }
  if (store.summaries.newest() !== null) scheduleArchive(unit, true);
}

/**
 * Erases carried items of whichever session, because any of them may repeat what was erased: the source is asked again
 * for its items, or, if there is none to ask, all of them are deleted. It happens once for each way by which the erasure
 * comes, so it ends even if sessions took items from each other in a circle.
 */
function eraseAllCarried(unit: Unit, erasure: Erased): void {
  const { store } = unit;
  if (!noteSourceErasures(unit, erasure)) return;
  const direct = continued(unit);
  if (direct !== undefined) {
    deleteCarried(unit, erasure.source, seqsOf(erasure));
    askAgain(unit, direct);
  } else {
    // Nothing arrives any more, so if nothing is left, the summary was made again or is about to be.
    if (store.summaries.carriedItems(0).length === 0) return;
    deleteCarried(unit, null, null);
    rebuildFromStart(unit);
  }
  store.countChange();
  if (store.summaries.newest() !== null) scheduleArchive(unit, true);
}

/** The session that this one continues, if it can still be asked for its items. */
function continued(unit: Unit): OriginRow | undefined {
  return unit.store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state !== "lost");
}

function askAgain(unit: Unit, source: OriginRow): void {
  unit.store.lineage.putOrigin({ ...source, state: "stale" });
  rescheduleCarryOver(unit);
}

/**
 * Deletes carried items from all versions of the summary and from a draft.
 * @param source where they are from; null for all
 * @param seqs those that cite one of these messages there; null for all
 */
function deleteCarried(unit: Unit, source: EpochRef | null, seqs: SeqSet | null): void {
  const { store } = unit;
  const { summaries } = store;
  const gone = source === null ? summaries.deleteAllCarriedItems() : summaries.deleteCarriedItems(source, seqs);
  if (gone.length > 0) countAnew(store);
  const job = summarizeJob(unit);
  if (job === undefined) return;
  const inProgress = store.jobs.inProgress(job.id);
  const { draft } = inProgress;
  if (draft === null) return;
  const isErased = seqs === null ? () => true : containsSeq(seqs);
  const isOf = ({ sourceSession, sourceEpoch }: KeptItem): boolean =>
    source === null ? sourceSession !== undefined : sourceEpoch === source.epoch;
  const isGone = (item: KeptItem): boolean => isOf(item) && item.sourceSeqs.some((seq) => isErased(seq));
  store.jobs.putInProgress(job.id, { ...inProgress, draft: withoutItems(draft, isGone) });
}
