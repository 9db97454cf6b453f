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
import { goodThrough, tokensReadAgain } from "./invalidate.ts";
import { restoreSummary } from "./restore.ts";

/** One version, with the messages that its items cite if asked. */
export function readSummaryVersion(unit: Unit, version: number, expandSources: boolean): ExpandedSummary {
  const { summaries } = unit.store;
  const row = knownSummary(summaries.byVersion(version));
  const summary = toVersion(row, summaries.items(version));
  return expandSources ? expandSummary(unit, summary) : summary;
}

/**
 * Makes an earlier version of the summary the one that holds, and that the next goes on from.
 * @param isByUser it counts like a message, what is written of the summary like its tokens, and what models are to read again for it
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
 * Puts a summary that somebody asks for by hand into the outbox; null if there is nothing to summarize.
 * @param isByUser what models are to read for it counts for the user's day
 */
export function summarizeForClient(unit: Unit, request: SummarizeRequest, isByUser: boolean): JobRow | null {
  unit.requireSession();
  applyTenantSettings(unit);
  const summarizerTokens = isByUser ? tokensByHand(unit, request) : 0;
  const job = scheduleSummaryByHand(unit, request);
  const { limits } = unit.session.tenantSettings;
  if (job !== null && limits !== undefined) {
    const fault = summaryQuotaFault(limits, unit.store.spent.on(startOfDay(unit.now)).summaries, unit.now);
    if (fault !== null) throw new ThreadkeepError(fault);
  }
  takeForUser(unit, { summarizerTokens: job === null ? 0 : summarizerTokens });
  return job;
}

/** What became of a job that was asked for by hand, and the summary that holds now. */
export function readSummarized(unit: Unit, job: JobRow | null): { job: Job | null; summary: Summary | null } {
  const { summaries, jobs } = unit.store;
  const row = unit.row === null ? null : summaries.newest();
  const left = job === null || unit.row === null ? null : jobs.byId(job.id);
  return {
    job: job === null ? null : left === null ? { ...toJob(job), state: "done" } : toJob(left),
    summary: row === null ? null : toSummary(row, summaries.items(row.version)),
  };
}

/** What models are to be given for a summary by hand. */
function tokensByHand(unit: Unit, { fromScratch }: SummarizeRequest): TokenCount {
  const { messages, summaries } = unit.store;
  const open = summarizeJob(unit);
  const isAnew = fromScratch === true && open?.fromScratch !== true;
  // What is under way already is asked for once more where it failed, and whoever waits for it keeps the object awake.
  if (open !== undefined && !isAnew) return MIN_USER_SUMMARY_TOKENS;
  const from = isAnew ? 0 : (summaries.newest()?.throughSeq ?? 0);
  const tip = messages.tip();
  const read = tip === null ? 0 : tip.totalCost - messages.totalCostOn(tip.branch, from);
  return Math.max(MIN_USER_SUMMARY_TOKENS, read);
}

const UNKNOWN_SUMMARY: Fault = {
  code: "summary_not_found",
  detail: "The session has no summary of this version. List its summaries to see which it has.",
};

/** @param found null if there is no such version */
export function knownSummary<T>(found: T | null): T {
  if (found === null) throw new ThreadkeepError(UNKNOWN_SUMMARY);
  return found;
}
