import type { SummarizeRequest } from "../../api/job.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import { GIVEN_UP_REST_MS } from "../../lib/retry-policy.ts";
import { roomForMessages } from "../../prompt/context.ts";
import { chooseCut, isSummaryDue, type CutMessage, type Thresholds, thresholdsWithin } from "../../prompt/cut.ts";
import { chooseInstructions, mostForInstructions } from "../../prompt/pin-instructions.ts";
import { plainBudget } from "../../tokens/tokenizers.ts";
import { isHeld, mayBeListed, newJob } from "../outbox/index.ts";
import {
  messageCostOf,
  type JobRow,
  type MessageRow,
  settingsOf,
  summarizedBudgetOf,
  type SummaryRow,
} from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/** When a summary is scheduled, and through which message. There is one at a time. */

export function* cutMessages(rows: Iterable<MessageRow>): Generator<CutMessage> {
  for (const row of rows) {
    yield { seq: row.seq, content: row.content, cost: messageCostOf(row) };
  }
}

/** The one summary that is pending or was given up. */
export function summarizeJob(unit: Unit): JobRow | undefined {
  return unit.store.jobs.first("summarize") ?? undefined;
}

/** What was said since the last summary, in tokens of a context. */
export function unsummarizedTokens(unit: Unit): TokenCount {
  const { store } = unit;
  const tip = store.messages.tip();
  if (tip === null) return 0;
  return tip.totalCost - store.messages.totalCostOn(tip.branch, store.summaries.newest()?.throughSeq ?? 0);
}

/** When a summary is due, and what it leaves to a context: see `thresholdsWithin`. */
interface Bounds extends Thresholds {
  /** What a context has for messages. */
  readonly room: TokenCount;
}

/**
 * By the items so far, and by the instructions that stay word for word though the summary covers them. Takes what its caller has read of
 * the newest summary and of what was said since: each append comes by here.
 */
function boundsOf(unit: Unit, summary: SummaryRow | null, unsummarized: TokenCount): Bounds {
  const { store } = unit;
  const maxTokens = summarizedBudgetOf(unit.session);
  const widest = roomForMessages(summary?.tokens ?? 0, { maxTokens, tokenizer: store.readIn });
  // Instructions are looked up only where their share may make the difference.
  const isFarOff = unsummarized <= widest - mostForInstructions(maxTokens);
  const budget = plainBudget(maxTokens, store.readIn);
  const room = isFarOff ? widest : widest - instructionsTokens(unit, summary?.throughSeq ?? 0, budget);
  return { ...thresholdsWithin(settingsOf(unit.session), room), room };
}

function instructionsTokens(unit: Unit, throughSeq: Seq, budget: TokenCount): TokenCount {
  const { store } = unit;
  const branch = store.branches.through(throughSeq);
  return chooseInstructions(store.messages.instructions(branch, throughSeq), messageCostOf, { budget, hereSeqs: [] })
    .tokens;
}

/** Whether enough was said since the last summary, or more than a context would hold of it. */
export function isDue(unit: Unit): boolean {
  const tokens = unsummarizedTokens(unit);
  return isSummaryDue(tokens, boundsOf(unit, unit.store.summaries.newest(), tokens));
}

/**
 * Schedules a summary if enough was said since the last one, or more than a context has room for. Called with each append, edit and summary, inside its transaction.
 * @returns whether work is newly scheduled
 */
export function scheduleSummaryIfDue(unit: Unit): boolean {
  const { store } = unit;
  const tip = store.messages.tip();
  if (tip === null) return false;
  const summary = store.summaries.newest();
  const throughSeq = summary?.throughSeq ?? 0;
  const tokens = tip.totalCost - store.messages.totalCostOn(tip.branch, throughSeq);
  const bounds = boundsOf(unit, summary, tokens);
  if (!isSummaryDue(tokens, bounds)) return false;
  const open = summarizeJob(unit);
  if (open !== undefined && !isRemake(unit, open)) {
    const rested = unit.now - (open.lastFailedAt ?? 0) >= GIVEN_UP_REST_MS;
    if (open.state === "pending" || !rested) return false;
  }
  const unsummarized = cutMessages(store.messages.backwardOn(tip.branch, tip.seq, throughSeq + 1, "told"));
  const target = chooseCut(unsummarized, bounds.keepRecentTokens, bounds.room);
  if (target <= throughSeq) return false;
  return scheduleSummaryThrough(unit, target);
}

/**
 * Schedules a summary through a message. One that was given up goes on, and one that only makes anew what is covered takes the rest along; one that
 * is on its way stays as it is.
 * @returns whether work is newly scheduled
 */
export function scheduleSummaryThrough(unit: Unit, target: Seq): boolean {
  const { store, now } = unit;
  const open = summarizeJob(unit);
  if (open === undefined) {
    store.jobs.put(newJob("summarize", unit.session.epoch, unit.newId(), target, now, now));
    return true;
  }
  if (open.state === "pending" && (isHeld(open, now) || !isRemake(unit, open))) return false;
  // What was given up keeps what it has done so far, which is paid for; and it may have been to take the place of versions that cover something
  // changed. Under the same name, by which operators know it: they hear of it when it is done.
  store.jobs.put({
    ...open,
    state: "pending",
    throughSeq: Math.max(open.throughSeq, target),
    isUpgrade: false,
    failures: 0,
    // However long the better summary was waited for, this one is pending from now on.
    sends: 0,
    createdAt: now,
    nextSendAt: now,
  });
  return true;
}

/**
 * Ends a job that has nothing to cover any more. One that operators may know of goes to a consumer once more, who takes it off their lists.
 */
export function endSummary(unit: Unit, job: JobRow): void {
  const { store } = unit;
  if (!mayBeListed(job)) {
    store.jobs.delete(job.id);
    return;
  }
  store.jobs.put({ ...withoutWork(job), ...GOES_ON, state: "pending", throughSeq: 0, nextSendAt: unit.now });
}

/** Nobody is at it any more, and nothing of it is done. */
export function withoutWork(job: JobRow): JobRow {
  return { ...job, draft: null, lease: null, leaseUntil: null, baseVersion: null, chunkThroughSeq: null };
}

/** Of a job that does no more than go on from the newest version. */
const GOES_ON = { isUpgrade: false, fromScratch: false, rebuildBase: null, invalidatedFromSeq: null } as const;

/** Whether a job is more than going on from the newest version. */
export function isMadeAnew({ isUpgrade, fromScratch, rebuildBase, invalidatedFromSeq }: JobRow): boolean {
  return isUpgrade || fromScratch || rebuildBase !== null || invalidatedFromSeq !== null;
}

/** Whether a job only makes anew what is summarized already: it takes along whatever is newly due. */
export function isRemake(unit: Unit, { isUpgrade, fromScratch, rebuildBase, throughSeq }: JobRow): boolean {
  if (isUpgrade) return true;
  return fromScratch && rebuildBase === null && throughSeq <= (unit.store.summaries.newest()?.throughSeq ?? 0);
}

/** Whoever asks by hand does not wait for a backoff. What a consumer is at is not sent again, unless it is to begin anew. */
function nextSendByHand(open: JobRow, isRestarted: boolean, now: number): number {
  if (isRestarted) return now;
  if (isHeld(open, now)) return open.nextSendAt;
  return open.sends === 0 || open.failures > 0 ? now : open.nextSendAt;
}

/** Schedules a summary because somebody asked. Null if there is nothing that it would cover. */
export function scheduleSummaryByHand(unit: Unit, request: SummarizeRequest): JobRow | null {
  const { store, now } = unit;
  const tip = store.messages.tip();
  if (tip === null) return null;
  const summary = store.summaries.newest();
  const fromScratch = request.fromScratch === true;
  const covered = summary?.throughSeq ?? 0;
  const tokens = tip.totalCost - store.messages.totalCostOn(tip.branch, covered);
  const bounds = boundsOf(unit, summary, tokens);
  const newestFirst = cutMessages(store.messages.backwardOn(tip.branch, tip.seq, 1, "told"));
  const target = Math.max(
    request.keepRecentTokens === undefined
      ? chooseCut(newestFirst, bounds.keepRecentTokens, bounds.room)
      : chooseCut(newestFirst, request.keepRecentTokens),
    fromScratch ? covered : 0,
  );
  const open = summarizeJob(unit);
  if (open === undefined) {
    if (target === 0 || (target <= covered && !fromScratch)) return null;
    const job = { ...newJob("summarize", unit.session.epoch, unit.newId(), target, now, now), fromScratch };
    store.jobs.put(job);
    return job;
  }
  const restart = fromScratch && !open.fromScratch;
  const job: JobRow = {
    ...open,
    state: "pending",
    throughSeq: Math.max(open.throughSeq, target),
    isUpgrade: open.isUpgrade && target <= covered,
    fromScratch: open.fromScratch || fromScratch,
    nextSendAt: nextSendByHand(open, restart, now),
    failures: open.state === "failed" ? 0 : open.failures,
    sends: open.isUpgrade && target > covered ? 0 : open.sends,
    ...(restart ? { draft: null, lease: null, leaseUntil: null, baseVersion: null, chunkThroughSeq: null } : {}),
  };
  store.jobs.put(job);
  return job;
}
