/** What a session took today, told from the running totals that stand on its messages: no counter, and no row more an append. */

import type { Fault } from "../contracts/errors.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import { DAY_SECONDS, type Quota, type SessionLimits } from "../contracts/quota.ts";

const DAY_MS = DAY_SECONDS * 1_000;

/** A place in the log, and the tokens of all messages through it. */
interface Place {
  readonly seq: Seq;
  readonly totalCost: TokenCount;
}

const NOTHING_SAID: Place = { seq: 0, totalCost: 0 };

/** What is read of the log; the session's store has it. */
export interface DatedLog {
  createdAt(seq: Seq): number | null;
  /** Null if nothing was said yet. */
  head(): Place | null;
  totalCostAt(seq: Seq): TokenCount;
}

/** Where a session stood when the day began. */
export interface DayStart extends Place {
  /** Of the life of the session that it was counted for. */
  readonly incarnation: string;
  /** The day's first millisecond since 1970. */
  readonly day: number;
}

export function dayOf(now: number): number {
  return now - (now % DAY_MS);
}

/**
 * The last message before the day, by halving: 17 rows read of 100,000 messages, once a day and life of the object. Messages of an
 * import may bear any moment; wherever halving ends among them, nothing that was appended today is left out.
 */
export function findDayStart(log: DatedLog, incarnation: string, now: number): DayStart {
  const day = dayOf(now);
  const isToday = (seq: Seq): boolean => (log.createdAt(seq) ?? 0) >= day;
  let before = 0;
  let since = (log.head()?.seq ?? 0) + 1;
  while (since - before > 1) {
    const middle = Math.floor((before + since) / 2);
    if (isToday(middle)) since = middle;
    else before = middle;
  }
  return { incarnation, day, seq: before, totalCost: log.totalCostAt(before) };
}

/**
 * Notes where the day stands before an append. What comes back, called after it, tells why the append has to be rolled back; null if
 * it has not.
 */
export type DayMeasure = (limits: SessionLimits, incarnation: string, now: number) => () => Fault | null;

export function createDayMeasure(log: DatedLog): DayMeasure {
  let start: DayStart | undefined;
  return (limits, incarnation, now) => {
    const begun =
      start?.incarnation === incarnation && start.day === dayOf(now) ? start : findDayStart(log, incarnation, now);
    start = begun;
    const before = log.head() ?? NOTHING_SAID;
    return () => appendQuotaFault(limits, begun, log.head() ?? NOTHING_SAID, before, now);
  };
}

/** Why an append is refused that took the session past its limits; null if it did not. The log holds the append already. */
export function appendQuotaFault(
  limits: SessionLimits,
  start: DayStart,
  head: Place,
  before: Place,
  now: number,
): Fault | null {
  const used = { messages: head.seq - start.seq, tokens: head.totalCost - start.totalCost };
  const usedBefore = { messages: before.seq - start.seq, tokens: before.totalCost - start.totalCost };
  const limit = { messages: limits.sessionMessagesPerDay, tokens: limits.sessionTokensPerDay };
  for (const name of ["messages", "tokens"] as const) {
    const most = limit[name] ?? Number.POSITIVE_INFINITY;
    if (used[name] > most) return quotaFault(name, most, most - usedBefore[name], now);
  }
  return null;
}

/** Why a summary by hand is refused; null if it is not. */
export function summaryQuotaFault(limits: SessionLimits, madeToday: number, now: number): Fault | null {
  const most = limits.sessionSummariesPerDay ?? Number.POSITIVE_INFINITY;
  return madeToday < most ? null : quotaFault("summaries", most, 0, now);
}

function quotaFault(name: Quota["name"], limit: number, remaining: number, now: number): Fault {
  const resetSeconds = Math.ceil((dayOf(now) + DAY_MS - now) / 1_000);
  const left = Math.max(0, remaining);
  return {
    code: "quota_exceeded",
    detail: `This session may take ${limit} ${name} a day (UTC), and has ${left} left. Nothing was changed. Send less at a time, go on after Retry-After seconds, or ask the operator for more.`,
    retryAfterSeconds: resetSeconds,
    facts: { quota: name, limit, remaining: left },
    quota: { name, limit, remaining: left, resetSeconds },
  };
}
