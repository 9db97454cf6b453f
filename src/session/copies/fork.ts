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
import { pendingOrigin } from "./continue.ts";
import { furtherOrigins, type EpochRef } from "./lineage.ts";

// Forks: a new session with the messages of another, up to one of them. The messages are copied page by page in the
// background; until all are there, clients cannot use the fork. If the source is edited or erases something meanwhile,
// the copying starts again.

/** Characters of content in a page: far under the 32 MiB that an RPC may carry. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGE_ROWS = 2_000;

/** What the last page brings to a fork besides messages. */
interface CopyEnd {
  readonly hashKey: Uint8Array;
  /** The source's newest valid version of the summary on the fork's branch, with its items; null if there is none. */
  readonly summary: SummaryRow | null;
  readonly items: readonly VersionedItem[];
  /** The sessions from which the source had carried over items itself. */
  readonly origins: readonly OriginRow[];
  /** Whether the source has vectors: then the fork makes its own. */
  readonly hasVectors: boolean;
}

export interface CopyPage {
  /** The source's number of edits and erasures when the page was read. */
  readonly changes: number;
  readonly rows: readonly HashedMessageRow[];
  /** Null as long as there are more messages. */
  readonly end: CopyEnd | null;
}

/**
 * Called on the source: the messages after `afterSeq` through `throughSeq`, as many as fit into a page. After the last
 * message, one more page brings the end.
 */
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
  // While this session asks for its own carried items again, its summary may say in other words what was erased. The
  // fork has confirmed that erasure already, and makes its own summary.
  const isStale = pendingOrigin(unit)?.state === "stale";
  const summary = isStale ? null : soundSummaryAt(unit, store.branches.through(throughSeq));
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

/** The page that a fork needs next. */
export interface CopyStep {
  readonly source: EpochRef;
  readonly afterSeq: Seq;
  readonly throughSeq: Seq;
  /** Whether the job may be on the operators' list of failed jobs. */
  readonly hasFailed: boolean;
}

/** The next page that the fork needs; null if it needs none. */
export function nextCopyStep(unit: Unit, jobId: string): CopyStep | null {
  const { store } = unit;
  const origin = store.lineage.origins().find(({ kind }) => kind === "fork");
  const job = store.jobs.byId(jobId);
  if (job === null || unit.session.copying === null || origin === undefined) return null;
  const afterSeq = store.messages.head()?.seq ?? 0;
  return { source: origin, afterSeq, throughSeq: origin.throughSeq, hasFailed: mayBeListed(job) };
}

/**
 * A number of changes that no source has: whichever page arrives next, it does not match, and the copying starts again.
 */
const NO_MOMENT = -1;

/** Deletes what was copied so far, and makes sure that a page which is on its way is not used. */
export function beginAgain(unit: Unit, copying: Copying): void {
  const { store } = unit;
  if (copying.kind !== "fork") return;
  store.deleteLog();
  store.setCopying({ ...copying, sourceChanges: NO_MOMENT });
}

/** Schedules the job that copies. Called when the fork is created. */
export function scheduleCopy(unit: Unit, source: OriginRow): JobRow {
  const { store } = unit;
  store.lineage.putOrigin(source);
  const job = newJob(unit, { kind: "fork" }, { throughSeq: source.throughSeq });
  store.jobs.put(job);
  return job;
}

/**
 * Saves a page. Idempotent: messages that are there are skipped.
 * @returns the next page that the fork needs; null if the fork is complete, or no longer needs pages
 */
export function saveCopyPage(unit: Unit, jobId: string, page: CopyPage): CopyStep | null {
  const { store } = unit;
  const step = nextCopyStep(unit, jobId);
  const { copying } = unit.session;
  if (step === null || copying?.kind !== "fork") return null;
  if (copying.sourceChanges !== null && copying.sourceChanges !== page.changes) {
    // The source changed between two pages: what was copied so far does not match this page.
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
    // The sums are computed here: the source's may be from before an edit.
    totalCost += messageCostOf(row);
    totalBytes += contentJson === null ? 0 : byteLength(contentJson);
    store.messageWriter.insert({ ...row, totalCost, totalBytes }, contentJson);
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
    store.summaries.insert(summary, { kept: [], ended: [], added: end.items });
  }
  for (const origin of store.lineage.origins()) store.lineage.putOrigin({ ...origin, state: "done" });
  for (const origin of end.origins) store.lineage.putOrigin(origin);
  store.setCopying(null);
  if (summary !== null || hasUnscheduledMessages(unit)) scheduleArchive(unit);
  scheduleSummaryIfDue(unit);
  if (end.hasVectors) scheduleEmbedding(unit, false);
}
