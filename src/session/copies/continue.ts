import { MAX_SUMMARY_BYTES } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import type { KeptItem } from "../../api/summary.ts";
import {
  firstWithin,
  firstWithinBytes,
  itemBytes,
  itemsTokens,
  newestFirst,
  withoutDoubles,
} from "../../prompt/items.ts";
import { noteChange } from "../log/index.ts";
import { mayBeListed, newJob, scheduleArchive } from "../outbox/index.ts";
import { type OriginRow, settingsOf } from "../sqlite/index.ts";
import {
  countAnew,
  scheduleSummaryByHand,
  rebuildFromStart,
  soundSummaryAt,
  summarizeJob,
  toKeptItem,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { furtherOrigins, type EpochRef } from "./lineage.ts";

/** A continuation: a new session begins with what the summary of another held. Each item names the session its sources are of. */

/** Stands for a session's name where what is carried over is of all of a user's sessions. No session has it. */
export const ALL_SESSIONS = "";

/**
 * - `items`: what there is to carry over; - `wait`: the summary is being brought up to date; - `archive`: the session expired, and
 * the archive has its summary
 */
export type Carried =
  | ({ readonly next: "items" } & CarriedItems)
  | { readonly next: "wait" }
  | { readonly next: "archive"; readonly origins: readonly OriginRow[] };

/** What is carried over. */
export interface CarriedItems {
  readonly throughSeq: Seq;
  /** The most important first: where there is too little room, the last ones stay behind. */
  readonly items: readonly KeptItem[];
  /** Where some of the items come from in turn. */
  readonly origins: readonly OriginRow[];
}

/**
 * What another session may carry over from this one. The summary is first brought up to date with all but the last messages.
 * @param mayWait whether a summary may still be waited for; else the one that there is has to do
 */
export function readCarried(unit: Unit, mayWait: boolean): Carried {
  const { store } = unit;
  const origins = furtherOrigins(unit);
  if (unit.session.expiredAt !== null) return { next: "archive", origins };
  // What was carried here is asked for anew, and all that was made of it is to be made again.
  const isStale = pendingOrigin(unit)?.state === "stale";
  if (isStale && mayWait) return { next: "wait" };
  if (isStale) return { next: "items", throughSeq: 0, items: [], origins };
  if (mayWait) {
    const open = summarizeJob(unit);
    const pending = open ?? scheduleSummaryByHand(unit, { keepRecentTokens: 0 });
    if (pending?.state === "pending") return { next: "wait" };
  }
  const tip = store.messages.tip();
  const summary = soundSummaryAt(unit, tip?.branch ?? store.branches.active(0));
  const items = summary === null ? [] : store.summaries.items(summary.version);
  return { next: "items", throughSeq: summary?.throughSeq ?? 0, items: newestFirst(items.map(toKeptItem)), origins };
}

/** Schedules the carrying over. Called as the continuation is created. */
export function scheduleCarryOver(unit: Unit, source: OriginRow): void {
  const { store, now } = unit;
  store.lineage.putOrigin(source);
  store.jobs.put(newJob("restore", unit.session.epoch, unit.newId(), 0, now, now));
}

/** Schedules it again, since something was erased there: what is on its way is worth nothing any more. */
export function rescheduleCarryOver(unit: Unit): void {
  const { store, now } = unit;
  const open = store.jobs.first("restore");
  store.jobs.put(
    open === null
      ? newJob("restore", unit.session.epoch, unit.newId(), 0, now, now)
      : { ...open, lease: null, sends: 0, nextSendAt: now },
  );
}

/** Where to carry over from, and what a consumer has to know of the job. */
export interface CarryOverStep {
  readonly source: EpochRef;
  /** What comes of it is known by this. */
  readonly lease: string;
  /** How often it was sent since it is pending. */
  readonly sends: number;
  /** Operators may know of the job. */
  readonly hasFailed: boolean;
}

/** Null if nothing is pending any more. */
export function nextCarryOver(unit: Unit, jobId: string): CarryOverStep | null {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  const source = pendingOrigin(unit);
  if (job === null || source === undefined) return null;
  const lease = job.lease ?? unit.newId();
  if (job.lease === null) store.jobs.put({ ...job, lease });
  return { source, lease, sends: job.sends, hasFailed: mayBeListed(job) };
}

/** What is to be carried over, for the first time or anew. */
export function pendingOrigin(unit: Unit): OriginRow | undefined {
  return unit.store.lineage
    .origins()
    .find(({ kind, state }) => kind === "continuation" && (state === "pending" || state === "stale"));
}

/**
 * Carries items over, as a new version of the summary that covers no more than the one before. Only what still holds, and what fits
 * beside what is there. Carried over anew, what the other session holds no longer goes, and so does all that was made of it here.
 * @param given null if the other session is gone
 * @returns false if a summary is just being made, or something was erased there meanwhile: the call comes again
 */
export function carryOver(unit: Unit, jobId: string, lease: string, given: CarriedItems | null): boolean {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  const origin = pendingOrigin(unit);
  if (job === null || origin === undefined) return true;
  if (job.lease !== lease) return false;
  const summarizing = summarizeJob(unit);
  // A version that came between would make an answer that is on its way worthless, and it is paid for. One that waits may do so for days.
  const isBegun = summarizing?.draft !== null && summarizing?.isUpgrade === false;
  const isUnderWay = summarizing?.state === "pending" && (summarizing.lease !== null || isBegun);
  if (isUnderWay) return false;
  const isAnew = origin.state === "stale";
  store.jobs.delete(jobId);
  const items = given === null ? [] : given.items.map((item) => ofOrigin(item, origin, given.origins));
  if (isAnew) {
    deleteAllBut(unit, items);
    store.countChange();
    rebuildFromStart(unit);
  }
  const newest = store.summaries.newest();
  if (isAnew && newest !== null) scheduleArchive(unit, true);
  // Of what was carried over before, what was heard stays: it is told again.
  const forgetSourceErasures = (): void => {
    if (!isAnew) store.lineage.forgetSourceErasures();
  };
  if (given === null || store.lineage.isErasedAtSource(origin, [])) {
    store.lineage.putOrigin({ ...origin, state: "lost" });
    forgetSourceErasures();
    return true;
  }
  for (const further of given.origins) store.lineage.putOrigin(further);
  if (origin.session === ALL_SESSIONS) store.lineage.deleteOrigin(origin);
  else store.lineage.putOrigin({ ...origin, state: "done", throughSeq: given.throughSeq });
  const current = newest === null ? [] : store.summaries.items(newest.version);
  const room = settingsOf(unit.session).summaryMaxTokens - itemsTokens(current);
  const isErased = ({ sourceEpoch = "", sourceSeqs }: KeptItem): boolean =>
    store.lineage.isErasedAtSource({ epoch: sourceEpoch }, sourceSeqs);
  const candidates = items.filter((item) => item.status === "current" && !isErased(item));
  forgetSourceErasures();
  const fitting = firstWithin(withoutDoubles(candidates, current), room);
  const bytesLeft = MAX_SUMMARY_BYTES - current.reduce((sum, item) => sum + itemBytes(toKeptItem(item)), 0);
  const kept = firstWithinBytes(fitting.kept, bytesLeft);
  if (kept.length === 0) return true;
  const version = (newest?.version ?? 0) + 1;
  const throughSeq = newest?.throughSeq ?? 0;
  const degraded = newest?.degraded ?? false;
  for (const item of numbered(kept, version)) store.summaries.insertItem(item, version);
  store.summaries.insert({
    version,
    throughSeq,
    tokens: itemsTokens([...current, ...kept]),
    summarizer: newest?.summarizer ?? "none",
    degraded,
    droppedItems: fitting.left.length + fitting.kept.length - kept.length,
    usage: null,
    createdAt: unit.now,
  });
  scheduleArchive(unit);
  noteChange(unit, "summarized", { version, throughSeq, degraded });
  addToDraft(unit, version, kept);
  return true;
}

/** What waits to go on from an earlier version goes on from this one. */
function addToDraft(unit: Unit, version: number, kept: readonly KeptItem[]): void {
  const job = summarizeJob(unit);
  if (job?.draft?.baseVersion !== version - 1) return;
  const items = [...job.draft.items, ...numbered(kept, version)];
  unit.store.jobs.put({ ...job, draft: { ...job.draft, baseVersion: version, items } });
}

/** With ids of a version. */
function numbered(items: readonly KeptItem[], version: number): KeptItem[] {
  return items.toSorted(bySource).map((item, index) => ({ ...item, id: `${version}.${index + 1}` }));
}

/** An item with the epoch of the session that its sources are of. */
function ofOrigin(item: KeptItem, origin: OriginRow, further: readonly OriginRow[]): KeptItem {
  if (item.sourceSession === undefined) {
    return { ...item, sourceSession: origin.session, sourceEpoch: origin.epoch };
  }
  if (item.sourceEpoch !== undefined) return item;
  const source = further.find(({ session }) => session === item.sourceSession);
  return source === undefined ? item : { ...item, sourceEpoch: source.epoch };
}

/** What was carried over and is held no longer goes, from every version. */
function deleteAllBut(unit: Unit, held: readonly KeptItem[]): void {
  const { store } = unit;
  const left = new Set(held.map(statementOf));
  for (let page = store.summaries.carriedItems(0); page.length > 0;) {
    const gone = page.filter(({ item }) => !left.has(statementOf(item)));
    store.summaries.deleteItems(gone.map(({ item }) => item.id));
    page = store.summaries.carriedItems(page.at(-1)?.row ?? Number.MAX_SAFE_INTEGER);
  }
  countAnew(store);
}

/** What an item says, and of what, whatever became of it. */
function statementOf({ kind, text, sourceSeqs, sourceSession, sourceEpoch }: KeptItem): string {
  return JSON.stringify([kind, text, sourceSeqs, sourceSession, sourceEpoch]);
}

function bySource(a: KeptItem, b: KeptItem): number {
  const [one = "", other = ""] = [a.sourceSession, b.sourceSession];
  if (one !== other) return one < other ? -1 : 1;
  return (a.sourceSeqs[0] ?? 0) - (b.sourceSeqs[0] ?? 0);
}
