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
import { mayBeListed, newJob, released, scheduleArchive } from "../outbox/index.ts";
import { ALL_SESSIONS, type OriginRow, settingsOf } from "../sqlite/index.ts";
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

// Continuations: a new session begins with the items of another session's summary. Each item names the session whose
// messages it cites.

/**
 * - `items`: the items to carry over
 * - `wait`: the source's summary is being brought up to date first
 * - `archive`: the source has expired, and the archive has its summary
 */
export type Carried =
  | ({ readonly next: "items" } & CarriedItems)
  | { readonly next: "wait" }
  | { readonly next: "archive"; readonly origins: readonly OriginRow[] };

/** The items to carry over. */
export interface CarriedItems {
  /** The last message of the source that its summary covers. */
  readonly throughSeq: Seq;
  /** The most important first: if not all fit, the last ones are left out. */
  readonly items: readonly KeptItem[];
  /** The sessions from which the source had carried some of the items over itself. */
  readonly origins: readonly OriginRow[];
}

/**
 * Called on the source of a continuation: the items to carry over. Its summary is first brought up to date with all but
 * the last few messages.
 * @param mayWait whether the caller can still wait for that; if not, the summary that exists is used
 */
export function readCarried(unit: Unit, mayWait: boolean): Carried {
  const { store } = unit;
  const origins = furtherOrigins(unit);
  if (unit.session.expiredAt !== null) return { next: "archive", origins };
  // This session's own carried items are being asked for again, and what was summarized from them will be rebuilt.
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

/** Schedules the job that carries items over. Called when the continuation is created. */
export function scheduleCarryOver(unit: Unit, source: OriginRow): void {
  const { store } = unit;
  store.lineage.putOrigin(source);
  store.jobs.put(newJob(unit, { kind: "restore" }));
}

/**
 * Schedules the job again because something was erased at the source. Its lease is removed, so items that are on their
 * way already are ignored.
 */
export function rescheduleCarryOver(unit: Unit): void {
  const { store, now } = unit;
  const open = store.jobs.first("restore");
  store.jobs.put(open === null ? newJob(unit, { kind: "restore" }) : { ...released(open), sends: 0, nextSendAt: now });
}

/** The source, and what the consumer of the job must know. */
export interface CarryOverStep {
  readonly source: EpochRef;
  /** The consumer sends this back with the items; they are ignored if it is not the current lease. */
  readonly lease: string;
  /** How often the job has been sent so far. */
  readonly sends: number;
  /** Whether the job may be on the operators' list of failed jobs. */
  readonly hasFailed: boolean;
}

/** The next step of the job; null if there is nothing left to do. */
export function nextCarryOver(unit: Unit, jobId: string): CarryOverStep | null {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  const source = pendingOrigin(unit);
  if (job === null || source === undefined) return null;
  const lease = job.lease ?? unit.newId();
  if (job.lease === null) store.jobs.put({ ...job, lease });
  return { source, lease, sends: job.sends, hasFailed: mayBeListed(job) };
}

/** The origin from which items are still to be carried over, for the first time or again (`stale`). */
export function pendingOrigin(unit: Unit): OriginRow | undefined {
  return unit.store.lineage
    .origins()
    .find(({ kind, state }) => kind === "continuation" && (state === "pending" || state === "stale"));
}

/**
 * Saves carried items as a new version of the summary, which covers the same messages as the version before. Only items
 * that are current and not erased at their source are taken, and only as many as fit beside the items that are there.
 * If they are carried over again, those that the source no longer has are deleted, and everything that was summarized
 * from them is rebuilt.
 * @param given null if the source is gone
 * @returns false if the call must be repeated later: a summary is being made, or something was erased at the source
 * meanwhile
 */
export function carryOver(unit: Unit, jobId: string, lease: string, given: CarriedItems | null): boolean {
  const { store } = unit;
  const job = store.jobs.byId(jobId);
  const origin = pendingOrigin(unit);
  if (job === null || origin === undefined) return true;
  if (job.lease !== lease) return false;
  const summarizing = summarizeJob(unit);
  // While a summarizer is working, a new version would make its answer, which is paid for, useless. A job that only
  // upgrades a fallback summary is not waited for: it may wait for days itself.
  if (summarizing?.state === "pending") {
    const isBegun = summarizing.goal.is !== "upgrade" && store.jobs.inProgress(summarizing.id).draft !== null;
    if (summarizing.lease !== null || isBegun) return false;
  }
  const isAnew = origin.state === "stale";
  store.jobs.delete(jobId);
  // A source that continued from this session gives back what this session said. Its own summary says that. As a carried
  // item it would outlive its message in a fork, which erases what it copied, but no items of other sessions.
  const items = (given?.items ?? [])
    .map((item) => ofOrigin(item, origin, given?.origins ?? []))
    .filter(({ sourceEpoch }) => sourceEpoch !== unit.session.epoch);
  if (isAnew) {
    deleteAllBut(unit, items);
    store.countChange();
    rebuildFromStart(unit);
  }
  const newest = store.summaries.newest();
  if (isAnew && newest !== null) scheduleArchive(unit, true);
  // If items were carried over before, the noted erasures are kept: the source, or a session before it, may still have
  // those items and send them again.
  const forgetSourceErasures = (): void => {
    if (!isAnew) store.lineage.forgetSourceErasures();
  };
  if (given === null || store.lineage.isErasedAtSource(origin, [])) {
    store.lineage.putOrigin({ ...origin, state: "lost" });
    forgetSourceErasures();
    return true;
  }
  for (const further of given.origins) store.lineage.putOrigin(further);
  // What was carried over before may end later. The archive and copies of this session may still hold it, so an erasure
  // of it still concerns this session.
  const takenThroughSeq = Math.max(origin.throughSeq, given.throughSeq);
  if (origin.session === ALL_SESSIONS) store.lineage.deleteOrigin(origin);
  else store.lineage.putOrigin({ ...origin, state: "done", throughSeq: takenThroughSeq });
  const placed = newest === null ? [] : store.summaries.placedItems(newest.version);
  const current = placed.map(({ item }) => item);
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
  const row = {
    version,
    throughSeq,
    tokens: itemsTokens([...current, ...kept]),
    summarizer: newest?.summarizer ?? "none",
    degraded,
    droppedItems: fitting.left.length + fitting.kept.length - kept.length,
    usage: null,
    createdAt: unit.now,
  };
  const added = numbered(kept, version);
  store.summaries.insert(row, { kept: placed.map(({ row: place }) => place), ended: [], added });
  scheduleArchive(unit);
  noteChange(unit, "summarized", { version, throughSeq, degraded });
  addToDraft(unit, version, kept);
  return true;
}

/** If a draft continues from the version before, it continues from this one now, with the carried items added. */
function addToDraft(unit: Unit, version: number, kept: readonly KeptItem[]): void {
  const { jobs } = unit.store;
  const job = summarizeJob(unit);
  if (job === undefined) return;
  const inProgress = jobs.inProgress(job.id);
  const { draft } = inProgress;
  if (draft?.baseVersion !== version - 1) return;
  const items = [...draft.items, ...numbered(kept, version)];
  jobs.putInProgress(job.id, { ...inProgress, draft: { ...draft, baseVersion: version, items } });
}

/** Gives the items ids in a version, in the order of their sources. */
function numbered(items: readonly KeptItem[], version: number): KeptItem[] {
  return items.toSorted(bySource).map((item, index) => ({ ...item, id: `${version}.${index + 1}` }));
}

/** Adds to an item the session and epoch whose messages it cites. */
function ofOrigin(item: KeptItem, origin: OriginRow, further: readonly OriginRow[]): KeptItem {
  if (item.sourceSession === undefined) {
    return { ...item, sourceSession: origin.session, sourceEpoch: origin.epoch };
  }
  if (item.sourceEpoch !== undefined) return item;
  const source = further.find(({ session }) => session === item.sourceSession);
  return source === undefined ? item : { ...item, sourceEpoch: source.epoch };
}

/** Deletes from all versions the carried items that are not among the given ones. */
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

/** A key for an item by its statement and sources, without its status. */
function statementOf({ kind, text, sourceSeqs, sourceSession, sourceEpoch }: KeptItem): string {
  return JSON.stringify([kind, text, sourceSeqs, sourceSession, sourceEpoch]);
}

function bySource(a: KeptItem, b: KeptItem): number {
  const [one = "", other = ""] = [a.sourceSession, b.sourceSession];
  if (one !== other) return one < other ? -1 : 1;
  return (a.sourceSeqs[0] ?? 0) - (b.sourceSeqs[0] ?? 0);
}
