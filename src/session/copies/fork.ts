import type { Seq } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { hasUnscheduledMessages } from "../archive/index.ts";
import { mayBeListed, newJob, scheduleArchive } from "../outbox/index.ts";
import {
  type Copying,
  messageCostOf,
  type HashedMessageRow,
  type JobRow,
  type OriginRow,
  type SummaryRow,
  type VersionedItem,
} from "../sqlite/index.ts";
import { scheduleEmbedding, scheduleSummaryIfDue, soundSummaryAt } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { furtherOrigins, type EpochRef } from "./lineage.ts";

/**
 * A fork: a new session with the messages of another, up to one of them. It is copied page by page in the background; until it is
 * whole nobody sees it. What was edited or erased at its source meanwhile makes it begin again.
 */

/** A page of what is copied stays far under what an RPC may carry (32 MiB). */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGE_ROWS = 2_000;

/** What a fork takes along besides the messages, once it has them all. */
export interface CopyEnd {
  readonly hashKey: Uint8Array;
  readonly summary: SummaryRow | null;
  readonly items: readonly VersionedItem[];
  /** Where items came from that its source carried over itself. */
  readonly origins: readonly OriginRow[];
  /** Its source has vectors: the fork makes its own. */
  readonly hasVectors: boolean;
}

export interface CopyPage {
  /** Edits and erasures at the source so far. */
  readonly changes: number;
  readonly rows: readonly HashedMessageRow[];
  /** Null while there are more messages. */
  readonly end: CopyEnd | null;
}

/** The messages after `afterSeq` through `throughSeq`; the end comes on a page of its own, after the last of them. */
export function readCopyPage(unit: Unit, afterSeq: Seq, throughSeq: Seq): CopyPage {
  const { store } = unit;
  const rows: HashedMessageRow[] = [];
  let bytes = 0;
  for (const row of store.messages.hashedForward(afterSeq + 1, throughSeq)) {
    rows.push(row);
    bytes += JSON.stringify(row.content).length;
    if (rows.length >= MAX_PAGE_ROWS || bytes >= MAX_PAGE_BYTES) break;
  }
  const { changes, hashKey } = unit.session;
  if (rows.length > 0) return { changes, rows, end: null };
  const summary = soundSummaryAt(unit, store.branches.through(throughSeq));
  return {
    changes,
    rows,
    end: {
      hashKey,
      summary,
      items: summary === null ? [] : store.summaries.items(summary.version),
      origins: furtherOrigins(unit),
      hasVectors: store.vectors.state() !== null,
    },
  };
}

/** What a copy asks its source for next. */
export interface CopyStep {
  readonly source: EpochRef;
  readonly afterSeq: Seq;
  readonly throughSeq: Seq;
  /** Operators may know of the job. */
  readonly hasFailed: boolean;
}

/** Null if nothing is pending any more. */
export function nextCopyStep(unit: Unit, jobId: string): CopyStep | null {
  const { store } = unit;
  const origin = store.lineage.origins().find(({ kind }) => kind === "fork");
  const job = store.jobs.byId(jobId);
  if (job === null || unit.session.copying === null || origin === undefined) return null;
  const afterSeq = store.messages.head()?.seq ?? 0;
  return { source: origin, afterSeq, throughSeq: origin.throughSeq, hasFailed: mayBeListed(job) };
}

/** No count of changes: whatever page comes next is not of the moment that was copied so far. */
const NO_MOMENT = -1;

/** Throws away what was copied so far, and the page that is on its way as well. */
export function beginAgain(unit: Unit, copying: Copying): void {
  const { store } = unit;
  if (copying.kind !== "fork") return;
  store.deleteLog();
  store.setCopying({ ...copying, sourceChanges: NO_MOMENT });
}

/** Owes the copy. Called as the fork is created. */
export function scheduleCopy(unit: Unit, source: OriginRow): JobRow {
  const { store, now } = unit;
  store.lineage.putOrigin(source);
  const job = newJob("fork", unit.session.epoch, unit.newId(), source.throughSeq, now, now);
  store.jobs.put(job);
  return job;
}

/**
 * Saves a page. Idempotent: rows that are there are skipped.
 * @returns the next step; null if the copy is whole, or its page is of no use any more
 */
export function saveCopyPage(unit: Unit, jobId: string, page: CopyPage): CopyStep | null {
  const { store } = unit;
  const step = nextCopyStep(unit, jobId);
  const { copying } = unit.session;
  if (step === null || copying?.kind !== "fork") return null;
  if (copying.sourceChanges !== null && copying.sourceChanges !== page.changes) {
    // What was copied and what comes now are not of one moment.
    store.deleteLog();
    store.setCopying({ ...copying, sourceChanges: null });
    return { ...step, afterSeq: 0 };
  }
  let { afterSeq } = step;
  const head = store.messages.head();
  let totalCost = head?.appendedCost ?? 0;
  let totalBytes = head?.appendedBytes ?? 0;
  for (const row of page.rows) {
    if (row.seq !== afterSeq + 1 || row.seq > step.throughSeq) continue;
    const contentJson = row.content === null ? null : JSON.stringify(row.content);
    // The totals there may tell of messages as they were before an edit.
    totalCost += messageCostOf(row);
    totalBytes += contentJson === null ? 0 : byteLength(contentJson);
    store.messages.insert({ ...row, totalCost, totalBytes }, contentJson);
    afterSeq = row.seq;
  }
  if (page.end === null || afterSeq < step.throughSeq) {
    store.setCopying({ ...copying, sourceChanges: page.changes });
    return { ...step, afterSeq };
  }
  finish(unit, page.end);
  store.jobs.delete(jobId);
  return null;
}

function finish(unit: Unit, end: CopyEnd): void {
  const { store } = unit;
  const { summary } = end;
  store.setHashKey(end.hashKey);
  if (summary !== null) {
    store.summaries.insert(summary);
    for (const item of end.items) store.summaries.insertItem(item, summary.version);
  }
  for (const origin of store.lineage.origins()) store.lineage.putOrigin({ ...origin, state: "done" });
  for (const origin of end.origins) store.lineage.putOrigin(origin);
  store.setCopying(null);
  if (summary !== null || hasUnscheduledMessages(unit)) scheduleArchive(unit);
  scheduleSummaryIfDue(unit);
  if (end.hasVectors) scheduleEmbedding(unit, false);
}
