import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { Job, SummarizeRequest } from "../../api/job.ts";
import { MIN_USER_SUMMARY_TOKENS } from "../../api/limits.ts";
import type { TokenCount } from "../../api/message.ts";
import type { ExpandedSummary, RestoreRequest, Summary } from "../../api/summary.ts";
import { applyTenantSettings, expandSummary, toSummary, toVersion } from "../log/index.ts";
import { toJob } from "../outbox/index.ts";
import { startOfDay, summaryQuotaFault, takeForUser } from "../quota/index.ts";
import type { JobRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleSummaryByHand, summarizeJob } from "./due.ts";
import { isFromScratch } from "./goal.ts";
import { goodThrough, tokensReadAgain } from "./invalidate.ts";
import { restoreSummary } from "./restore.ts";

/**
 * Reads one version, optionally with the messages that its items cite.
 * @throws ThreadkeepError `summary_not_found` if there is no such version
 */
export function readSummaryVersion(unit: Unit, version: number, expandSources: boolean): ExpandedSummary {
  const { summaries } = unit.store;
  const row = knownSummary(summaries.byVersion(version));
  const summary = toVersion(row, summaries.items(version));
  return expandSources ? expandSummary(unit, summary) : summary;
}

/**
 * Restores an earlier version of the summary: see `restoreSummary`.
 * @param isByUser whether a user's token asks: then the request counts against the user's daily limits as one message,
 *   the tokens of the restored version, and the tokens that models have to read again
 * @throws ThreadkeepError `summary_not_found`, the faults of `restoreSummary`, or `quota_exceeded`
 */
export function restoreForClient(unit: Unit, version: number, request: RestoreRequest, isByUser: boolean): Summary {
  const { summaries } = unit.store;
  unit.requireSession();
  applyTenantSettings(unit);
  const asked = knownSummary(summaries.byVersion(version));
  const goodBefore = goodThrough(unit);
  const { isChanged, tokens } = restoreSummary(unit, asked, request);
  if (isByUser) {
    const summarizerTokens = isChanged ? tokensReadAgain(unit, goodBefore) : 0;
    takeForUser(unit, { messages: isChanged ? 1 : 0, tokens, summarizerTokens });
  }
  const row = summaries.newest() ?? asked;
  return toSummary(row, summaries.items(row.version));
}

/**
 * Schedules a summary that a client asked for.
 * @param isByUser whether a user's token asks: then the tokens that models have to read count against the user's daily
 *   limits
 * @returns the job; null if there is nothing to summarize
 */
export function summarizeForClient(unit: Unit, request: SummarizeRequest, isByUser: boolean): JobRow | null {
  unit.requireSession();
  applyTenantSettings(unit);
  const summarizerTokens = isByUser ? countTokensToRead(unit, request) : 0;
  const job = scheduleSummaryByHand(unit, request);
  const { limits } = unit.session.tenantSettings;
  if (job !== null && limits !== undefined) {
    const fault = summaryQuotaFault(limits, unit.store.spent.on(startOfDay(unit.now)).summaries, unit.now);
    if (fault !== null) throw new ThreadkeepError(fault);
  }
  takeForUser(unit, { summarizerTokens: job === null ? 0 : summarizerTokens });
  return job;
}

/** The current state of a job that a client asked for (`done` if it is over), and the newest summary. */
export function readSummarized(unit: Unit, job: JobRow | null): { job: Job | null; summary: Summary | null } {
  const { summaries, jobs } = unit.store;
  const row = unit.row === null ? null : summaries.newest();
  const left = job === null || unit.row === null ? null : jobs.byId(job.id);
  return {
    job: job === null ? null : left === null ? { ...toJob(job), state: "done" } : toJob(left),
    summary: row === null ? null : toSummary(row, summaries.items(row.version)),
  };
}

/**
 * How many tokens models have to read for a summary that a client asks for: the unsummarized ones, or the whole branch
 * if from scratch.
 */
function countTokensToRead(unit: Unit, { fromScratch }: SummarizeRequest): TokenCount {
  const { messages, summaries, totals } = unit.store;
  const open = summarizeJob(unit);
  const isAnew = fromScratch === true && (open === undefined || !isFromScratch(open.goal));
  // A job that exists already costs only the minimum: if it had failed, it is sent again, and a client that waits for
  // it keeps the object awake.
  if (open !== undefined && !isAnew) return MIN_USER_SUMMARY_TOKENS;
  const from = isAnew ? 0 : (summaries.newest()?.throughSeq ?? 0);
  const tip = messages.tip();
  const read = tip === null ? 0 : tip.totalCost - totals.costOn(tip.branch, from);
  return Math.max(MIN_USER_SUMMARY_TOKENS, read);
}

const UNKNOWN_SUMMARY: Fault = {
  code: "summary_not_found",
  detail: "The session has no summary of this version. List its summaries to see which it has.",
};

/**
 * Returns the version.
 * @throws ThreadkeepError `summary_not_found` if it is null
 */
export function knownSummary<T>(found: T | null): T {
  if (found === null) throw new ThreadkeepError(UNKNOWN_SUMMARY);
  return found;
}
