import type { Seq } from "../../api/message.ts";
import { askAgainDelayMs } from "../../lib/retry-policy.ts";
import { newJob } from "../outbox/index.ts";
import { type EpochRef, upTo } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import type { CopyRow, ErasureRow } from "./lineage-store.ts";
import { type CopyAnswer, type Erased, erasedOf, type FurtherCopies, lowerOf, type OwnCopies } from "./lineage.ts";

// How copies are told of erasures. An erasure is one row, however many copies there are. Each copy has a cursor: the
// row through which it has confirmed the erasures. A job goes from copy to copy and tells each what is after its
// cursor, so that the number of calls does not depend on the number of erasures.

/** Most erasures that one call tells a copy: it erases them in one transaction. */
const MAX_ERASURES_PER_CALL = 250;
/**
 * Most calls to one copy before the others have their turn. They are made before the copy confirms the first of them:
 * it makes one new summary after all, and not one after each.
 */
const MAX_CALLS_PER_COPY = 100;
/** From this many calls on, a round takes no further copy. */
const MAX_CALLS_PER_ROUND = 250;

/** A call that tells a copy of erasures. */
export interface CopyCall {
  /** The row of the copy. */
  readonly copy: number;
  readonly session: string;
  /** Empty if none of the erasures concerns the copy: it need not be called. */
  readonly erased: readonly Erased[];
  /** The erasures after one row through another. */
  readonly afterRow: number;
  readonly throughRow: number;
}

/** What came of a call. */
export interface ToldCopy extends Pick<CopyCall, "copy" | "afterRow" | "throughRow">, Pick<CopyAnswer, "isConfirmed"> {
  readonly further: readonly FurtherCopies[];
}

/** Schedules that every copy that took a message is told that it was erased, until each has confirmed it. */
export function tellCopies(unit: Unit, seq: Seq): void {
  const { session, epoch } = unit.session;
  if (!unit.store.lineage.isTaken(epoch, seq)) return;
  unit.store.lineage.addErasure(epoch, { session, epoch }, seq);
  scheduleTelling(unit);
}

/**
 * Schedules that every copy is told that the epoch was erased as a whole.
 * @param carried the epochs from which it had carried items over: copies must erase those that they have from here
 */
export function tellCopiesOfEnd(unit: Unit, carried: readonly EpochRef[]): void {
  const { session, epoch } = unit.session;
  const { lineage } = unit.store;
  if (!lineage.isTaken(epoch, 0)) return;
  // Messages that were erased before are part of it.
  lineage.deleteErasures(epoch);
  for (const source of [{ session, epoch }, ...carried]) lineage.addErasure(epoch, source, null);
  scheduleTelling(unit);
}

function scheduleTelling(unit: Unit): void {
  const { store, now } = unit;
  const open = store.jobs.first("erase-copies");
  if (open === null) store.jobs.put(newJob(unit, { kind: "erase-copies" }));
  else store.jobs.put({ ...open, nextSendAt: open.failures > 0 ? open.nextSendAt : now });
}

/**
 * The calls of the next round.
 * @param afterCopy the row of the copy with which the round before ended
 */
export function readCopyCalls(
  unit: Unit,
  afterCopy: number,
): { readonly calls: CopyCall[]; readonly lastCopy: number } {
  const calls: CopyCall[] = [];
  let lastCopy = afterCopy;
  for (const copy of unit.store.lineage.pendingCopies(afterCopy, MAX_CALLS_PER_ROUND)) {
    if (calls.length >= MAX_CALLS_PER_ROUND) break;
    calls.push(...callsTo(unit, copy));
    lastCopy = copy.row;
  }
  return { calls, lastCopy };
}

function callsTo({ store }: Unit, copy: CopyRow): CopyCall[] {
  const { row, session, root, untilRow } = copy;
  const calls: CopyCall[] = [];
  let afterRow = copy.confirmedRow;
  while (calls.length < MAX_CALLS_PER_COPY) {
    const erasures = store.lineage.erasures(root, afterRow, untilRow, MAX_ERASURES_PER_CALL);
    const throughRow = erasures.at(-1)?.row;
    if (throughRow === undefined) break;
    calls.push({ copy: row, session, erased: toldTo(copy, erasures), afterRow, throughRow });
    afterRow = throughRow;
  }
  return calls;
}

/** What a copy is told of erasures: the part that concerns it, in the terms by which it knows what it took. */
function toldTo({ root, source, via, throughSeq }: CopyRow, erasures: readonly ErasureRow[]): Erased[] {
  const ofRoot = erasures.filter((one) => one.source.epoch === root);
  const isRootErased = ofRoot.some(({ seq }) => seq === null);
  const seqs = ofRoot.flatMap(({ seq }) => seq ?? []);
  const told: Erased[] = [];
  // A fork of the root, whose messages the copy took, is not over when the root is.
  if (isRootErased && source.epoch === root) told.push(erasedOf(source, null, via ?? undefined));
  else {
    const taken = upTo(isRootErased ? null : seqs, throughSeq ?? Number.MAX_SAFE_INTEGER);
    if (taken !== null) told.push(erasedOf(source, taken, via ?? undefined));
  }
  for (const one of erasures) {
    if (one.source.epoch !== root) told.push({ ...erasedOf(one.source, null, via ?? source), isCutOff: true });
  }
  return told;
}

/**
 * Records what came of a round: which copies have confirmed, and which further copies must be told. The job is deleted
 * when all have confirmed everything.
 * @param throughCopy the copy after which the next delivery continues
 */
export function confirmCopyErasures(unit: Unit, jobId: string, told: readonly ToldCopy[], throughCopy: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  // A copy that confirms a later call and not the first one is not a step further: the round would be repeated at once,
  // for as long as that copy waits.
  let isAny = false;
  for (const call of told) {
    if (call.isConfirmed && store.lineage.confirmErasures(call.copy, call.afterRow, call.throughRow)) isAny = true;
    for (const further of call.further) addFurther(unit, call, further);
  }
  if (store.lineage.pendingCopies(0, 1).length > 0) {
    // The next delivery continues after that copy, so one that does not confirm does not hold up the others.
    const next = { ...job, throughSeq: throughCopy };
    store.jobs.put(isAny ? { ...next, failures: 0, sends: 1, nextSendAt: unit.now } : next);
    return;
  }
  store.lineage.clearErasures(unit.findUnerased()?.epoch ?? null);
  store.jobs.delete(jobId);
}

/**
 * As whose messages a further copy knows those of the root, and by way of which epoch it has them. The first copy that
 * took items gives its name to everything that is told by way of it. A session can be told several times, by way of
 * several others, and each time it asks its own source again, so its copies have to be told as often, each time under
 * another name. If the name comes back to its bearer, sessions took items from each other in a circle: the bearer's
 * copies are told once more, under the name of the source, and there it ends.
 */
function knownBy({ by, took }: OwnCopies, { source, via }: CopyRow): Pick<CopyRow, "source" | "via"> {
  if (took === "messages") return { source: by, via: null };
  if (took === "items of a fork") return { source: by, via: by };
  if (via === null) return { source, via: by };
  return { source, via: via.epoch === by.epoch ? source : via };
}

/** Adds the copies that a copy named. They are told what the copy was told, so not before it has erased that itself. */
function addFurther({ store }: Unit, { copy, afterRow, throughRow }: ToldCopy, { own, ofEnded }: FurtherCopies): void {
  const { lineage } = store;
  const teller = lineage.copy(copy);
  if (teller !== null && own !== null) {
    const { root } = teller;
    const known = knownBy(own, teller);
    const range = { confirmedRow: afterRow, untilRow: throughRow };
    for (const { session, throughSeq } of own.copies) {
      lineage.addCopy({ root, session, ...known, throughSeq: lowerOf(teller.throughSeq, throughSeq), ...range });
    }
  }
  for (const { root, erased, copies } of ofEnded) {
    if (lineage.erasedEpochs(root).length === 0) for (const source of erased) lineage.addErasure(root, source, null);
    for (const { session, source, via, throughSeq } of copies) {
      lineage.addCopy({ root, session, source, via, throughSeq, confirmedRow: 0, untilRow: null });
    }
  }
}

/**
 * Every copy was told, but some have not confirmed, because they wait for the archive or for a new summary. They are
 * asked again later.
 * @param random from 0 to 1, spreads the time
 */
export function waitForCopies(unit: Unit, jobId: string, random: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job !== null)
    store.jobs.put({ ...job, throughSeq: 0, failures: 0, nextSendAt: unit.now + askAgainDelayMs(job.sends, random) });
}
