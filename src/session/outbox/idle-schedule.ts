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

/**
 * The idle schedule: what a session does when nobody writes to it. It summarizes, archives and expires, each after
 * its own time. Ranges of appends for the audit log are sent by the same alarm.
 */

/**
 * When a message was last appended or edited, in ms since 1970. For a session that was imported or copied, not before
 * that was done.
 */
function lastActivityAt(unit: Unit): number {
  const { beganAt, editedAt } = unit.session;
  return Math.max(unit.store.messages.head()?.createdAt ?? 0, beganAt, editedAt ?? 0);
}

/**
 * A number in [0, 1) that is constant for an epoch. It spreads the alarms of sessions that become idle at the same
 * time.
 */
function jitterOf(session: SessionRow): number {
  return Number.parseInt(session.epoch.slice(0, 8), 16) / 2 ** 32 || 0;
}

/** The last message that an idle summary would cover; null if too little is unsummarized, or a summary is under way. */
function idleTarget(unit: Unit): Seq | null {
  const { store } = unit;
  const tip = store.messages.tip();
  const open = summarizeJob(unit);
  if (tip === null || (open !== undefined && !isRemake(unit, open))) return null;
  const coveredSeq = store.summaries.newest()?.throughSeq ?? 0;
  const { messages, totals } = store;
  const costAt = (seq: Seq): TokenCount => totals.costOn(tip.branch, seq);
  const covered = costAt(coveredSeq);
  if (tip.totalCost - covered < IDLE_SUMMARY_MIN_TOKENS) return null;
  const target = chooseCut(cutMessages(messages.backwardOn(tip.branch, tip.seq, coveredSeq + 1, "told")), 0);
  return target > coveredSeq && costAt(target) - covered >= IDLE_SUMMARY_MIN_TOKENS ? target : null;
}

/** When the session is to be summarized because it is idle, in ms since 1970; null if it is not. */
export function idleSummaryAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).summarizeAfterIdleSeconds;
  if (seconds === null || idleTarget(unit) === null) return null;
  // While a consumer holds the job that remakes the last summary, no other can be scheduled. An alarm before its lease
  // ends could do nothing, and would fire over and over.
  const heldUntil = summarizeJob(unit)?.leaseUntil ?? 0;
  return Math.max(heldUntil, idleWakeAt(lastActivityAt(unit), seconds, jitterOf(unit.session)));
}

/** When the messages are to be archived because the session is idle, in ms since 1970; null if they are not. */
export function idleArchiveAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).summarizeAfterIdleSeconds;
  if (seconds === null || !hasUnscheduledMessages(unit)) return null;
  return idleWakeAt(lastActivityAt(unit), seconds, jitterOf(unit.session));
}

/** When the session is to expire if it stays idle, in ms since 1970; null if it never does. */
export function expiryAt(unit: Unit): number | null {
  const seconds = settingsOf(unit.session).expireAfterIdleSeconds;
  return seconds === null ? null : idleWakeAt(lastActivityAt(unit), seconds, jitterOf(unit.session));
}

/**
 * How long after its first append a range is sent to the audit log, if no summary came first: with the jitter of
 * `idleWakeAt`, within a day. It is counted from the beginning of the range, so that later appends do not move the
 * alarm: a session with a turn now and then would else set it, and send a range, with each turn.
 */
const AUDIT_RANGE_SECONDS = 75_600;

/** When the current range of appends is to be sent to the audit log, in ms since 1970; null if there is none. */
export function auditAt(unit: Unit): number | null {
  const range = unit.store.audit.appending();
  return range === null ? null : idleWakeAt(range.startedAt, AUDIT_RANGE_SECONDS, jitterOf(unit.session));
}

/**
 * The earliest time at which an append made now could require idle work, in ms since 1970; null if it cannot. An
 * estimate that does not read how the log would be cut, so that an append stays cheap; the alarm then checks exactly.
 */
export function soonestIdleAt(unit: Unit): number | null {
  const { now } = unit;
  const { summarizeAfterIdleSeconds, expireAfterIdleSeconds, archiveMessages } = settingsOf(unit.session);
  const isWorthIt = archiveMessages || unsummarizedTokens(unit) >= IDLE_SUMMARY_MIN_TOKENS;
  const share = jitterOf(unit.session);
  return earliest(
    summarizeAfterIdleSeconds !== null && isWorthIt ? idleWakeAt(now, summarizeAfterIdleSeconds, share) : null,
    expireAfterIdleSeconds !== null ? idleWakeAt(now, expireAfterIdleSeconds, share) : null,
    auditAt(unit),
  );
}

/** Schedules the idle work that is due. Called on each alarm. */
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
    store.jobs.put(newJob(unit, { kind: "expire" }));
  }
}

/**
 * What an expire job does next.
 * - `expire`: the session may expire now
 * - `wait`: another job has to complete first
 * - `cancel`: the session is no longer idle, or its settings no longer let it expire
 * - `done`: the job is over
 */
export type ExpiryStep = "expire" | "wait" | "cancel" | "done";

/**
 * Whether the session may expire now. It may if it is still idle, everything is summarized without a fallback, the
 * archive holds what it has to hold, and no other job is pending or failed. Schedules the summary or the archiving that
 * is missing.
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
  // PostgreSQL refused some rows, so this object holds their only copy.
  if (unit.session.archiveAside > 0) return "wait";
  // Any other job could not be done any more once the session has expired.
  const isAllDone = !store.jobs.isAnyBut(jobId);
  return isAllDone && newest?.degraded !== true ? "expire" : "wait";
}
