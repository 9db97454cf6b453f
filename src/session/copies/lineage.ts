import type { Seq } from "../../api/message.ts";
import { askAgainDelayMs } from "../../lib/retry-policy.ts";
import { newJob } from "../outbox/index.ts";
import {
  type EpochRef,
  type OriginRow,
  type PendingErasure,
  type SeqSet,
  type SessionRow,
  upTo,
} from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import type { Copy } from "./lineage-store.ts";

export type { EpochRef } from "../sqlite/index.ts";

/**
 * Lineage of erasures: forks and continuations contain what was said in their source, so what is erased in the source
 * must be erased in them. The source tells each of its copies. A copy answers with the copies of its own, and the
 * source tells those too, until every one has confirmed for itself. If each copy waited for its own copies instead,
 * sessions that continue from each other in a circle would wait for each other forever.
 */

/** What was erased in an epoch of a session. */
export interface Erased {
  readonly source: EpochRef;
  /** The erased messages; null for everything, or, if `throughSeq` is set, for all messages up to that. */
  readonly seqs: readonly Seq[] | null;
  readonly throughSeq?: Seq | undefined;
  /**
   * The epoch from which the copy took it, if that is not `source`: an epoch that had carried items of `source` over
   * itself.
   */
  readonly through?: EpochRef | undefined;
}

/** The erasures that one copy is told of. */
export interface CopyErasures {
  readonly copy: string;
  readonly erased: readonly Erased[];
}

/** The same, with the ids of the rows that its confirmation settles. */
export interface PendingCopyErasures extends CopyErasures {
  readonly rows: readonly number[];
}

/** What a copy answers. */
export interface CopyAnswer {
  /** The whole copy was erased. */
  readonly isGone: boolean;
  /** The newest creation grant that the copy recorded, by which its directory entry is removed if the copy is gone. */
  readonly grantedAt: number;
  /** Nothing of what was erased is left in the copy, nor in the archive in its name. */
  readonly isConfirmed: boolean;
  /** A page of what its own copies must be told. */
  readonly further: readonly CopyErasures[];
  /** Where the next page begins; null if this is the last one. */
  readonly more: PassedOnPlace | null;
}

/** Where a page of what the copies of a copy must be told begins. */
export interface PassedOnPlace {
  /** After the copy of this name; null: all copies have been listed. */
  readonly copy: string | null;
  /** After this row of the erasures that epochs which are over have added; null: all of them have been listed. */
  readonly row: number | null;
}

export const FIRST_PLACE: PassedOnPlace = { copy: "", row: 0 };

/** Whether the whole epoch was erased, so that it will tell nobody of anything more. */
export function isAll({ seqs, throughSeq }: Erased): boolean {
  return seqs === null && throughSeq === undefined;
}

/** The erased messages; null for everything. */
export function seqsOf({ seqs, throughSeq }: Erased): SeqSet | null {
  return seqs ?? (throughSeq === undefined ? null : { throughSeq });
}

/**
 * The sessions from which items of this session were carried over, in the form in which they are passed on together
 * with the items.
 */
export function furtherOrigins(unit: Unit): OriginRow[] {
  return unit.store.lineage
    .origins()
    .filter(({ kind, state }) => kind !== "fork" && (state === "done" || state === "stale"))
    .map((origin) => ({ ...origin, kind: "further", state: "done" }));
}

/**
 * Most erasures that one round tells. A copy that erases so many messages is busy for a moment; the next round tells
 * the rest.
 */
const MAX_ERASURES_PER_ROUND = 250;

/** Most erased messages that a page lists, over all copies. */
const MAX_PASSED_ON = 5_000;

/** The part of an erasure that concerns a copy of this session; null if it took nothing of it. */
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
 * A page of what the copies of this session must be told of the given erasures, together with unconfirmed erasures of
 * epochs of this id that are over: the copy that somebody asks about may be one of those epochs.
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

/** Schedules that every copy is told of an erasure, until each has confirmed it. */
export function tellCopies(unit: Unit, erased: Erased): void {
  const { store, now } = unit;
  const { source, seqs, throughSeq, through } = erased;
  const isOfOwn = source.epoch === unit.session.epoch;
  for (const what of seqs ?? [throughSeq === undefined ? ("all" as const) : { throughSeq }]) {
    store.lineage.scheduleEveryCopy({ source, what, via: through ?? null }, isOfOwn, unit.session.epoch);
  }
  if (!store.lineage.hasPendingErasures()) return;
  const open = store.jobs.first("erase-copies");
  if (open === null) store.jobs.put(newJob(unit, { kind: "erase-copies" }));
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
 * The erasures to tell in the next round, by copy.
 * @param afterRow where the round before ended: within one delivery, each row is told once
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

/** Combines rows into erasures: those of single messages of one epoch become one. */
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
 * Records that copies have confirmed erasures, and adds what their own copies must be told. The job is deleted when all
 * are confirmed.
 * @param rows the ids of the erasures that were confirmed
 * @param throughRow the id of the last erasure that was told
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
    // The next delivery continues after that row, so a copy that does not confirm does not hold up the others.
    const told = { ...job, throughSeq: throughRow };
    store.jobs.put(rows.length > 0 ? { ...told, failures: 0, sends: 1, nextSendAt: unit.now } : told);
    return;
  }
  store.lineage.clearPendingErasures();
  store.jobs.delete(jobId);
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
