import type { SummarizeRequest } from "../../api/job.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import { GIVEN_UP_REST_MS } from "../../lib/retry-policy.ts";
import { roomForMessages } from "../../prompt/context.ts";
import { chooseCut, isSummaryDue, type CutMessage, type Thresholds, thresholdsWithin } from "../../prompt/cut.ts";
import { chooseInstructions, mostForInstructions } from "../../prompt/pin-instructions.ts";
import { plainBudget } from "../../tokens/tokenizers.ts";
import { isHeld, newJob } from "../outbox/index.ts";
import {
  messageCostOf,
  type MessageRow,
  settingsOf,
  type SummarizeJob,
  summarizedBudgetOf,
  type SummaryRow,
} from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { CONTINUE, fromScratch, isFromScratch, withMore } from "./goal.ts";
import { discardWork } from "./in-progress.ts";

/**
 * Decides when a summary is scheduled and which messages it covers. A session has at most one job of kind `summarize`.
 */

/** The rows in the form that `chooseCut` takes, each with its cost in tokens of a context. */
export function* cutMessages(rows: Iterable<MessageRow>): Generator<CutMessage> {
  for (const row of rows) {
    yield { seq: row.seq, content: row.content, cost: messageCostOf(row) };
  }
}

/**
 * The session's summarize job, either pending or failed (given up after too many failures); undefined if there is none.
 */
export function summarizeJob(unit: Unit): SummarizeJob | undefined {
  return unit.store.jobs.first("summarize") ?? undefined;
}

/** How many tokens the active branch has after the last message that the newest summary covers. */
export function unsummarizedTokens(unit: Unit): TokenCount {
  const { store } = unit;
  const tip = store.messages.tip();
  if (tip === null) return 0;
  return tip.totalCost - store.totals.costOn(tip.branch, store.summaries.newest()?.throughSeq ?? 0);
}

/**
 * The thresholds from `thresholdsWithin` (when a summary is due, how many recent tokens stay verbatim), and the room
 * they were computed for.
 */
interface Bounds extends Thresholds {
  /** How many tokens of messages fit into a context beside the current summary and the pinned instructions. */
  readonly room: TokenCount;
}

/**
 * Computes the thresholds for the next summary. The room for messages is the context's budget minus the summary's items
 * and minus the instructions that stay verbatim although the summary covers them. The caller passes the newest summary
 * and the unsummarized tokens, which it has read already: this runs on each append.
 */
function boundsOf(unit: Unit, summary: SummaryRow | null, unsummarized: TokenCount): Bounds {
  const { store } = unit;
  const maxTokens = summarizedBudgetOf(unit.session);
  const widest = roomForMessages(summary?.tokens ?? 0, { maxTokens, tokenizer: store.readIn });
  // Looking up the instructions costs a query, so it is skipped while even the largest possible share of instructions
  // would not make a summary due.
  const isFarOff = unsummarized <= widest - mostForInstructions(maxTokens);
  const budget = plainBudget(maxTokens, store.readIn);
  const room = isFarOff ? widest : widest - instructionsTokens(unit, summary?.throughSeq ?? 0, budget);
  return { ...thresholdsWithin(settingsOf(unit.session), room), room };
}

/**
 * The tokens of the instructions up to `throughSeq` (system, developer and pinned messages) that stay verbatim within
 * `budget`.
 */
function instructionsTokens(unit: Unit, throughSeq: Seq, budget: TokenCount): TokenCount {
  const { store } = unit;
  const branch = store.branches.through(throughSeq);
  return chooseInstructions(store.messages.instructions(branch, throughSeq), messageCostOf, { budget, hereSeqs: [] })
    .tokens;
}

/**
 * Whether a summary is due: more tokens are unsummarized than the session's settings allow, or than fit into a context.
 */
export function isDue(unit: Unit): boolean {
  const tokens = unsummarizedTokens(unit);
  return isSummaryDue(tokens, boundsOf(unit, unit.store.summaries.newest(), tokens));
}

/**
 * Schedules a summary if one is due (see `isDue`). Called on each append, each edit and after each summary, within
 * their transaction.
 * @returns true if a job was created, or one that had failed or was only an upgrade was extended
 */
export function scheduleSummaryIfDue(unit: Unit): boolean {
  const { store } = unit;
  const tip = store.messages.tip();
  if (tip === null) return false;
  const summary = store.summaries.newest();
  const throughSeq = summary?.throughSeq ?? 0;
  const tokens = tip.totalCost - store.totals.costOn(tip.branch, throughSeq);
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
 * Schedules a summary that covers the active branch up to `target`. A job that had failed becomes pending again and
 * keeps its draft. A job that only remakes an existing summary is extended to `target`, unless a consumer is working on
 * it. Any other pending job stays as it is.
 * @returns true if a job was created or changed
 */
export function scheduleSummaryThrough(unit: Unit, target: Seq): boolean {
  const { store, now } = unit;
  const open = summarizeJob(unit);
  if (open === undefined) {
    store.jobs.put(newJob(unit, { kind: "summarize", goal: CONTINUE }, { throughSeq: target }));
    return true;
  }
  if (open.state === "pending" && (isHeld(open, now) || !isRemake(unit, open))) return false;
  // A job that failed keeps its draft, since those model calls are already paid for. It also keeps its id, under which
  // operators have it on their list, so that it is removed from there when it completes.
  store.jobs.put({
    ...open,
    state: "pending",
    throughSeq: Math.max(open.throughSeq, target),
    goal: withMore(open.goal),
    failures: 0,
    // A job that only waited to replace a fallback summary may be days old. Its age counts from now, so that it is not
    // reported as late at once.
    sends: 0,
    createdAt: now,
    nextSendAt: now,
  });
  return true;
}

/**
 * Whether a job only replaces a summary of messages that are covered already (an upgrade, or a run from scratch). Such
 * a job can be extended to newer messages as soon as a summary of these is due.
 */
export function isRemake(unit: Unit, { goal, throughSeq }: SummarizeJob): boolean {
  if (goal.is === "upgrade") return true;
  return goal.is === "from-scratch" && throughSeq <= (unit.store.summaries.newest()?.throughSeq ?? 0);
}

/**
 * When to send a job that a client asked for. It does not wait for a backoff. A job that a consumer is working on keeps
 * its time, unless the request makes it start from scratch.
 */
function nextSendByHand(open: SummarizeJob, isRestarted: boolean, now: number): number {
  if (isRestarted) return now;
  if (isHeld(open, now)) return open.nextSendAt;
  return open.sends === 0 || open.failures > 0 ? now : open.nextSendAt;
}

/**
 * Schedules a summary because a client asked for one, even if it is not due.
 * @returns the job as it is stored; null if there is nothing to summarize
 */
export function scheduleSummaryByHand(unit: Unit, request: SummarizeRequest): SummarizeJob | null {
  const { store, now } = unit;
  const tip = store.messages.tip();
  if (tip === null) return null;
  const summary = store.summaries.newest();
  const isAnew = request.fromScratch === true;
  const covered = summary?.throughSeq ?? 0;
  const tokens = tip.totalCost - store.totals.costOn(tip.branch, covered);
  const bounds = boundsOf(unit, summary, tokens);
  const newestFirst = cutMessages(store.messages.backwardOn(tip.branch, tip.seq, 1, "told"));
  const target = Math.max(
    request.keepRecentTokens === undefined
      ? chooseCut(newestFirst, bounds.keepRecentTokens, bounds.room)
      : chooseCut(newestFirst, request.keepRecentTokens),
    isAnew ? covered : 0,
  );
  const open = summarizeJob(unit);
  if (open === undefined) {
    if (target === 0 || (target <= covered && !isAnew)) return null;
    const goal = isAnew ? fromScratch(CONTINUE) : CONTINUE;
    const job = newJob(unit, { kind: "summarize", goal }, { throughSeq: target });
    store.jobs.put(job);
    return job;
  }
  const isRestarted = isAnew && !isFromScratch(open.goal);
  const before = isRestarted ? discardWork(unit, open) : open;
  const goal = target > covered ? withMore(before.goal) : before.goal;
  const job: SummarizeJob = {
    ...before,
    state: "pending",
    throughSeq: Math.max(before.throughSeq, target),
    goal: isAnew ? fromScratch(goal) : goal,
    nextSendAt: nextSendByHand(open, isRestarted, now),
    failures: open.state === "failed" ? 0 : open.failures,
    sends: open.goal.is === "upgrade" && target > covered ? 0 : open.sends,
  };
  store.jobs.put(job);
  return job;
}
