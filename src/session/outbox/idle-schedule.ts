import { IDLE_SUMMARY_MIN_TOKENS } from "../../api/limits.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import { earliest, idleWakeAt } from "../../lib/retry-policy.ts";
import { chooseCut } from "../../prompt/cut.ts";
import { hasUnscheduledMessages } from "../archive/index.ts";
import { type SessionRow, settingsOf } from "../sqlite/index.ts";
import {
  callOffEmbedding,
  cutMessages,
  isRemake,
  scheduleSummaryThrough,
  summarizeJob,
  unsummarizedTokens,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleAuditRange } from "./audit.ts";
import { newJob, scheduleArchive } from "./jobs.ts";

/** What becomes of a session in which nothing more is said: it is summarized, and may expire. */

/** When something was last said, be it by an edit; a session that was imported or copied begins anew with that. */
function lastActivityAt(unit: Unit): number {
  const { beganAt, editedAt } = unit.session;
  return Math.max(unit.store.messages.head()?.createdAt ?? 0, beganAt, editedAt ?? 0);
}

/** In [0, 1), the same for one epoch of a session each time. */
function shareOf(session: SessionRow): number {
  return Number.parseInt(session.epoch.slice(0, 8), 16) / 2 ** 32 || 0;
}

/** The last message that a summary for silence would cover; null if it would not be worth it. */
function idleTarget(unit: Unit): Seq | null {
  const { store } = unit;
  const tip = store.messages.tip();
  const open = summarizeJob(unit);
  if (tip === null || (open !== undefined && !isRemake(unit, open))) return null;
  const coveredSeq = store.summaries.newest()?.throughSeq ?? 0;
  const { messages } = store;
  const costAt = (seq: Seq): TokenCount => messages.totalCostOn(tip.branch, seq);
  const covered = costAt(coveredSeq);
  if (tip.totalCost - covered < IDLE_SUMMARY_MIN_TOKENS) return null;
  const target = chooseCut(cutMessages(messages.backwardOn(tip.branch, tip.seq, coveredSeq + 1, "told")), 0);
  return target > coveredSeq && costAt(target) - covered >= IDLE_SUMMARY_MIN_TOKENS ? target : null;
}

/** When silence calls for a summary; null if it does not. */
export function idleSummaryAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).summarizeAfterIdleSeconds;
  if (seconds === null || idleTarget(unit) === null) return null;
  // While the last one is being made better nothing can be pending: an alarm before that has ended would ring over and over.
  const heldUntil = summarizeJob(unit)?.leaseUntil ?? 0;
  return Math.max(heldUntil, idleWakeAt(lastActivityAt(unit), seconds, shareOf(unit.session)));
}

/** When silence calls for the messages to be archived; null if it does not. */
export function idleArchiveAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).summarizeAfterIdleSeconds;
  if (seconds === null || !hasUnscheduledMessages(unit)) return null;
  return idleWakeAt(lastActivityAt(unit), seconds, shareOf(unit.session));
}

/** When silence calls for the session to expire; null if it does not. */
export function expiryAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).expireAfterIdleSeconds;
  return seconds === null ? null : idleWakeAt(lastActivityAt(unit), seconds, shareOf(unit.session));
}

/** So long after the last of them appends are told to the audit, if no summary came earlier. */
const AUDIT_AFTER_IDLE_SECONDS = 1_800;

/** When silence calls for the audit to be told of appends; null if it does not. */
export function auditAt(unit: Unit): number | null {
  if (unit.store.audit.appending() === null) return null;
  return idleWakeAt(lastActivityAt(unit), AUDIT_AFTER_IDLE_SECONDS, shareOf(unit.session));
}

/**
 * When the silence after an append may call for something, without a look at how the log would be cut: an append stays cheap, and
 * the alarm looks closer. Null if it cannot.
 */
export function soonestIdleAt(unit: Unit): number | null {
  const { now } = unit;
  const { summarizeAfterIdleSeconds, expireAfterIdleSeconds, archiveMessages } = settingsOf(unit.session);
  const isWorthIt = archiveMessages || unsummarizedTokens(unit) >= IDLE_SUMMARY_MIN_TOKENS;
  const share = shareOf(unit.session);
  return earliest(
    summarizeAfterIdleSeconds !== null && isWorthIt ? idleWakeAt(now, summarizeAfterIdleSeconds, share) : null,
    expireAfterIdleSeconds !== null ? idleWakeAt(now, expireAfterIdleSeconds, share) : null,
    unit.store.audit.appending() !== null ? idleWakeAt(now, AUDIT_AFTER_IDLE_SECONDS, share) : null,
  );
}

/** Schedules what silence calls for. Called when the alarm rings. */
export function scheduleIdleWork(unit: Unit): void {
  const { store, now } = unit;
  const tellAt = auditAt(unit);
  if (tellAt !== null && tellAt <= now) scheduleAuditRange(unit);
  const summaryAt = idleSummaryAt(unit);
  const target = summaryAt !== null && summaryAt <= now ? idleTarget(unit) : null;
  if (target !== null) scheduleSummaryThrough(unit, target);
  const archiveAt = idleArchiveAt(unit);
  if (archiveAt !== null && archiveAt <= now) scheduleArchive(unit);
  const expiry = expiryAt(unit);
  if (expiry !== null && expiry <= now && !store.jobs.isPending("expire")) {
    store.jobs.put(newJob("expire", unit.session.epoch, unit.newId(), 0, now, now));
  }
}

/**
 * - `expire`: it may; - `wait`: something has to happen first, and is pending; - `cancel`: somebody spoke, and it may not; - `done`: nothing
 * is pending any more
 */
export type ExpiryStep = "expire" | "wait" | "cancel" | "done";

/**
 * Whether the session may expire now: nobody spoke since, what it is to continue from is there, all of it is summarized, soundly, and
 * the archive and the copies confirmed whatever they were owed. Schedules the summary if one is lacking.
 */
export function stepExpiry(unit: Unit, jobId: string): ExpiryStep {
  const { store } = unit;
  if (store.jobs.byId(jobId) === null) return "done";
  const expiry = expiryAt(unit);
  if (expiry === null || expiry > unit.now) return "cancel";
  const newest = store.summaries.newest();
  const headSeq = store.messages.tip()?.seq ?? 0;
  if ((newest?.throughSeq ?? 0) < headSeq) {
    scheduleSummaryThrough(unit, headSeq);
    return "wait";
  }
  if (hasUnscheduledMessages(unit)) {
    scheduleArchive(unit);
    return "wait";
  }
  callOffEmbedding(unit);
  // What PostgreSQL refuses is here alone.
  if (unit.session.archiveAside > 0) return "wait";
  // Whatever else is pending, to the archive, to copies or to itself, could not be done any more.
  const isAllDone = !store.jobs.isAnyBut(jobId);
  return isAllDone && newest?.degraded !== true ? "expire" : "wait";
}
