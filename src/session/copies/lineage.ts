import type { Seq } from "../../api/message.ts";
import { askAgainDelayMs } from "../../lib/retry-policy.ts";
import { newJob } from "../outbox/index.ts";
import type { EpochRef, OriginRow, PendingErasure, SeqSet, SessionRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import type { Copy } from "./lineage-store.ts";

export type { EpochRef } from "../sqlite/index.ts";

/**
 * Forks and continuations of a session hold what was said in it: what is erased here has to be erased there. The session where it is
 * erased tells each copy, and each copy of a copy that these name, until every one of them confirms for itself: whoever waited for its
 * own copies in turn could wait for one that waits for it.
 */

/** What was erased of an epoch of a session. */
export interface Erased {
  readonly source: EpochRef;
  /** Null for all of it, or for all up to `throughSeq`. */
  readonly seqs: readonly Seq[] | null;
  readonly throughSeq?: Seq | undefined;
  /** The epoch by which the copy has what it took from the source, where it did not take it from there: it had carried items over. */
  readonly through?: EpochRef | undefined;
}

/** What one copy is told. */
export interface CopyErasures {
  readonly copy: string;
  readonly erased: readonly Erased[];
}

/** The same as it is pending, with the rows that are confirmed with it. */
export interface PendingCopyErasures extends CopyErasures {
  readonly rows: readonly number[];
}

/** What a copy answers. */
export interface CopyAnswer {
  /** The copy went as a whole. */
  readonly isGone: boolean;
  /** Up to which word of the directory the entry there is of it. */
  readonly grantedAt: number;
  /** Nothing of what was erased is left in it, nor in the archive in its name. */
  readonly isConfirmed: boolean;
  /** What copies of it have to be told. */
  readonly further: readonly CopyErasures[];
  /** Where what else they have to be told goes on; null if this is all. */
  readonly more: PassedOnPlace | null;
}

/** Where a page of what copies of a copy have to be told begins. */
export interface PassedOnPlace {
  /** After the copy of this name; null: all of them are named. */
  readonly copy: string | null;
  /** After this row of what epochs owe that are over; null: all of it is named. */
  readonly row: number | null;
}

export const FIRST_PLACE: PassedOnPlace = { copy: "", row: 0 };

/** Nothing of the epoch is left at all, so that it can tell nobody of anything more. */
export function isAll({ seqs, throughSeq }: Erased): boolean {
  return seqs === null && throughSeq === undefined;
}

/** Which messages were erased; null for all that there were. */
export function seqsOf({ seqs, throughSeq }: Erased): SeqSet | null {
  return seqs ?? (throughSeq === undefined ? null : { throughSeq });
}

/** Those of some messages that are not after `throughSeq`; null if there are none. */
export function upTo(seqs: SeqSet | null, throughSeq: Seq): SeqSet | null {
  if (seqs === null) return throughSeq === 0 ? null : { throughSeq };
  if ("throughSeq" in seqs) return upTo(null, Math.min(seqs.throughSeq, throughSeq));
  const left = seqs.filter((seq) => seq <= throughSeq);
  return left.length === 0 ? null : left;
}

/** The sessions that items here were carried over from, as they are passed on with these. */
export function furtherOrigins(unit: Unit): OriginRow[] {
  return unit.store.lineage
    .origins()
    .filter(({ kind, state }) => kind !== "fork" && (state === "done" || state === "stale"))
    .map((origin) => ({ ...origin, kind: "further", state: "done" }));
}

/** What one round tells at most: a copy that erases so many messages is busy for a moment, and the rest follows. */
const MAX_ERASURES_PER_ROUND = 250;

/** Messages of all copies together that a page names. */
const MAX_PASSED_ON = 5_000;

/** What a copy of this session has to be told of an erasure; null if it took none of that. */
function forCopy(copy: Copy, session: SessionRow, erased: Erased): Erased | null {
  const isOwn = erased.source.epoch === session.epoch;
  if (!isOwn || isAll(erased) || copy.throughSeq === null) return erased;
  const taken = upTo(seqsOf(erased), copy.throughSeq);
  return taken === null ? null : erasedOf(erased.source, taken, erased.through);
}

function toldTo(copy: Copy, session: SessionRow, erased: readonly Erased[]): CopyErasures[] {
  const told = erased.flatMap((one) => forCopy(copy, session, one) ?? []);
  return told.length === 0 ? [] : [{ copy: copy.session, erased: told }];
}

/**
 * What copies of this session have to be told of erasures, a page of them; and what epochs of it that are over have yet to tell, since one
 * of these may be the copy that somebody asks about.
 * @param session null if no epoch goes on
 */
export function passedOn(
  unit: Unit,
  erased: readonly Erased[],
  { copy, row }: PassedOnPlace,
): Pick<CopyAnswer, "further" | "more"> {
  const { store } = unit;
  const session = unit.findUnerased();
  const messages = erased.reduce((sum, { seqs }) => sum + (seqs?.length ?? 1), 0);
  const limit = Math.max(1, Math.floor(MAX_PASSED_ON / Math.max(1, messages)));
  const copies = session === null || copy === null || messages === 0 ? [] : store.lineage.copies(copy, limit);
  const rows = row === null ? [] : store.lineage.pendingOfOthers(session?.epoch ?? null, row, MAX_PASSED_ON);
  const lastCopy = copies.length < limit ? null : (copies.at(-1)?.session ?? null);
  const lastRow = rows.length < MAX_PASSED_ON ? null : (rows.at(-1)?.row ?? null);
  const ofCopies = session === null ? [] : copies.flatMap((one) => toldTo(one, session, erased));
  const ofOthers = [...Map.groupBy(rows, (pending) => pending.copy)].map(([name, pending]) => ({
    copy: name,
    erased: toldOf(pending),
  }));
  return {
    further: [...ofCopies, ...ofOthers],
    more: lastCopy === null && lastRow === null ? null : { copy: lastCopy, row: lastRow },
  };
}

export function erasedOf(source: EpochRef, seqs: SeqSet | null, through?: EpochRef): Erased {
  const what = seqs === null ? { seqs } : "throughSeq" in seqs ? { seqs: null, ...seqs } : { seqs };
  return { source, ...what, ...(through === undefined ? {} : { through }) };
}

/** Schedules it to every copy to be told, until each confirms. */
export function tellCopies(unit: Unit, erased: Erased): void {
  const { store, now } = unit;
  const { source, seqs, throughSeq, through } = erased;
  const isOfOwn = source.epoch === unit.session.epoch;
  for (const what of seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }]) {
    store.lineage.scheduleEveryCopy({ source, what, via: through ?? null }, isOfOwn, unit.session.epoch);
  }
  if (!store.lineage.hasPendingErasures()) return;
  const open = store.jobs.first("erase-copies");
  if (open === null) store.jobs.put(newJob("erase-copies", unit.session.epoch, unit.newId(), 0, now, now));
  else store.jobs.put({ ...open, nextSendAt: open.failures > 0 ? open.nextSendAt : now });
}

function scheduleErasures(unit: Unit, told: readonly CopyErasures[], root: string): void {
  for (const { copy, erased } of told) {
    for (const { source, seqs, throughSeq, through } of erased) {
      const whats = seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }];
      for (const what of whats) unit.store.lineage.scheduleErasure({ copy, source, what, via: through ?? null }, root);
    }
  }
}

/**
 * What has to be told next.
 * @param afterRow where the round before ended: each row is told once a delivery
 */
export function readPendingErasures(
  unit: Unit,
  afterRow: number,
): { readonly pending: PendingCopyErasures[]; readonly lastRow: number } {
  const rows = unit.store.lineage.pendingErasures(afterRow, MAX_ERASURES_PER_ROUND);
  const byCopy = Map.groupBy(rows, ({ copy }) => copy);
  const pending = [...byCopy].map(([copy, ofCopy]) => ({
    copy,
    erased: toldOf(ofCopy),
    rows: ofCopy.map(({ row }) => row),
  }));
  return { pending, lastRow: rows.at(-1)?.row ?? afterRow };
}

/** Rows as they are told: those of single messages of one epoch together. */
function toldOf(rows: readonly PendingErasure[]): Erased[] {
  const told: Erased[] = [];
  const bySource = Map.groupBy(rows, ({ source, via }) => `${source.epoch} ${via?.epoch ?? ""}`);
  for (const ofSource of bySource.values()) {
    const seqs: Seq[] = [];
    for (const { source, what, via } of ofSource) {
      if (typeof what === "number") seqs.push(what);
      else told.push(erasedOf(source, what === "all" ? null : what, via ?? undefined));
    }
    const [first] = ofSource;
    if (first !== undefined && seqs.length > 0) told.push(erasedOf(first.source, seqs, first.via ?? undefined));
  }
  return told;
}

/**
 * Notes that copies erased what they were told, and what copies of theirs have to be told. The job goes when all have confirmed.
 * @param rows of what was confirmed
 * @param throughRow the last of what was told
 */
export function confirmCopyErasures(
  unit: Unit,
  jobId: string,
  rows: readonly number[],
  further: readonly CopyErasures[],
  throughRow: number,
): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  store.lineage.confirmErasures(rows);
  scheduleErasures(unit, further, job.epoch);
  if (store.lineage.hasPendingErasures()) {
    // The next delivery goes on from there: those who do not confirm hold up none of the others.
    const told = { ...job, throughSeq: throughRow };
    store.jobs.put(rows.length > 0 ? { ...told, failures: 0, sends: 1, nextSendAt: unit.now } : told);
    return;
  }
  store.lineage.clearPendingErasures();
  store.jobs.delete(jobId);
}

/** Every copy was told, and some have yet to hear from the archive, or to make a summary anew: they are asked again after a while. */
export function waitForCopies(unit: Unit, jobId: string, random: number): void {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  if (job !== null)
    store.jobs.put({ ...job, throughSeq: 0, failures: 0, nextSendAt: unit.now + askAgainDelayMs(job.sends, random) });
}
