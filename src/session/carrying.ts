import type { Seq } from "../contracts/message.ts";
import type { Item } from "../contracts/summary.ts";
import { firstWithin, itemsTokens, newestFirst, withoutDoubles } from "../memory/items.ts";
import { noteChange } from "./feed-changes.ts";
import { EVERY_SEQ } from "./lineage-store.ts";
import { furtherOrigins, type Life } from "./lineage.ts";
import { oweSummaryByHand, summarizeJob } from "./owed-summaries.ts";
import { newJob, oweArchive } from "./owed-work.ts";
import { soundSummaryAt } from "./redo.ts";
import type { OriginRow, SessionRow } from "./rows.ts";
import { settingsOf } from "./settings.ts";
import type { SessionStore } from "./store.ts";
import { toPlainItem } from "./summarizing.ts";

/** A continuation: a new session begins with what the summary of another held. Each item names the session its sources are of. */

/** Stands for a session's name where what is carried over is of all of a user's sessions. No session has it. */
export const ALL_SESSIONS = "";

/**
 * - `items`: what there is to carry over; - `wait`: the summary is being brought up to date; - `archive`: the session expired, and
 * the archive has its summary
 */
export type Carried =
  | ({ readonly next: "items" } & Luggage)
  | { readonly next: "wait" }
  | { readonly next: "archive"; readonly origins: readonly OriginRow[] };

/** What is carried over. */
export interface Luggage {
  readonly throughSeq: Seq;
  /** The most important first: where there is too little room, the last ones stay behind. */
  readonly items: readonly Item[];
  /** Where some of the items come from in turn. */
  readonly origins: readonly OriginRow[];
}

/**
 * What another session may carry over from this one. The summary is first brought up to date with all but the last messages.
 * @param mayWait whether a summary may still be waited for; else the one that there is has to do
 */
export function readCarried(
  store: SessionStore,
  session: SessionRow,
  mayWait: boolean,
  newId: () => string,
  now: number,
): Carried {
  const origins = furtherOrigins(store);
  if (session.expiredAt !== null) return { next: "archive", origins };
  if (mayWait) {
    const open = summarizeJob(store);
    const owed = open ?? oweSummaryByHand(store, session, { keepRecentTokens: 0 }, newId, now);
    if (owed?.state === "owed") return { next: "wait" };
  }
  const summary = soundSummaryAt(store, Number.MAX_SAFE_INTEGER);
  const items = summary === null ? [] : store.items(summary.version);
  return { next: "items", throughSeq: summary?.throughSeq ?? 0, items: newestFirst(items.map(toPlainItem)), origins };
}

/** Owes the carrying over. Called as the continuation is created. */
export function oweCarrying(
  store: SessionStore,
  incarnation: string,
  source: OriginRow,
  newId: () => string,
  now: number,
): void {
  store.lineage.putOrigin(source);
  store.putJob(newJob("restore", incarnation, newId(), 0, now, now));
}

/** Where to carry over from, and how often that was tried; null if nothing is owed any more. */
export function nextCarrying(
  store: SessionStore,
  jobId: string,
): { readonly source: Life; readonly sends: number } | null {
  const job = store.job(jobId);
  const source = pendingOrigin(store);
  return job === null || source === undefined ? null : { source, sends: job.sends };
}

export function pendingOrigin(store: SessionStore): OriginRow | undefined {
  return store.lineage.origins().find(({ kind, state }) => kind === "continuation" && state === "pending");
}

/**
 * Carries items over, as a new version of the summary that covers no more than the one before. Only what still holds, and what fits
 * beside what is there.
 * @param given null if the other session is gone
 * @returns false if a summary is just being made: the call comes again
 */
export function carryOver(
  store: SessionStore,
  session: SessionRow,
  jobId: string,
  given: Luggage | null,
  newId: () => string,
  now: number,
): boolean {
  const job = store.job(jobId);
  const origin = pendingOrigin(store);
  if (job === null || origin === undefined) return true;
  const summarizing = summarizeJob(store);
  // A version that came between would make an answer that is on its way worthless, and it is paid for.
  const isUnderWay = summarizing?.state === "owed" && (summarizing.lease !== null || summarizing.draft !== null);
  if (isUnderWay) return false;
  const heard = store.lineage.takeHeard();
  store.deleteJob(jobId);
  if (given === null || heard.get(origin.session)?.has(EVERY_SEQ) === true) {
    store.lineage.putOrigin({ ...origin, state: "lost" });
    return true;
  }
  for (const further of given.origins) store.lineage.putOrigin(further);
  if (origin.session === ALL_SESSIONS) store.lineage.deleteOrigin(origin.session);
  else store.lineage.putOrigin({ ...origin, state: "done", throughSeq: given.throughSeq });
  const newest = store.newestSummary();
  const current = newest === null ? [] : store.items(newest.version);
  const room = settingsOf(session).summaryMaxTokens - itemsTokens(current);
  const candidates = given.items
    .map((item) => ({ ...item, sourceSession: item.sourceSession ?? origin.session }))
    .filter((item) => item.status === "current" && !isErased(item, heard.get(item.sourceSession)));
  const { kept, left } = firstWithin(withoutDoubles(candidates, current), room);
  if (kept.length === 0) return true;
  const version = (newest?.version ?? 0) + 1;
  const throughSeq = newest?.throughSeq ?? 0;
  const degraded = newest?.degraded ?? false;
  for (const [index, item] of kept.toSorted(bySource).entries())
    store.insertItem({ ...item, id: `${version}.${index + 1}` }, version);
  store.insertSummary({
    version,
    throughSeq,
    tokens: itemsTokens([...current, ...kept]),
    summarizer: newest?.summarizer ?? "none",
    degraded,
    droppedItems: left.length,
    usage: null,
    createdAt: now,
  });
  noteChange(store, "summarized", { version, throughSeq, degraded });
  oweArchive(store, session, newId, now);
  return true;
}

function bySource(a: Item, b: Item): number {
  const [one = "", other = ""] = [a.sourceSession, b.sourceSession];
  if (one !== other) return one < other ? -1 : 1;
  return (a.sourceSeqs[0] ?? 0) - (b.sourceSeqs[0] ?? 0);
}

function isErased(item: Item, heard: ReadonlySet<Seq> | undefined): boolean {
  return heard !== undefined && (heard.has(EVERY_SEQ) || item.sourceSeqs.some((seq) => heard.has(seq)));
}
