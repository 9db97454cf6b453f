/** What a session took today, told from the running totals that stand on its messages: no counter, and no row more an append. */

import type { Fault } from "../../api/errors.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import { DAY_SECONDS, NOTHING_TAKEN, type Quota, type SessionLimits, type Taken } from "../../api/quota.ts";

const DAY_MS = DAY_SECONDS * 1_000;

/** Its first millisecond that is past it. */
export function endOfDay(day: number): number {
  return day + DAY_MS;
}

/** A place in the log, and the tokens of all messages through it, each as it was appended; with what edits brought since, where it is now. */
interface Place {
  readonly seq: Seq;
  readonly totalCost: TokenCount;
}

const NOTHING_SAID: Place = { seq: 0, totalCost: 0 };

/** What is read of the log; the session's store has it. */
export interface DatedLog {
  createdAt(seq: Seq): number | null;
  /** Null if nothing was said yet. */
  head(): { readonly seq: Seq; readonly appendedCost: TokenCount } | null;
  appendedCostAt(seq: Seq): TokenCount;
}

/** What stands beside the log. */
export interface DayBook {
  /** What earlier epochs of the session took of a day. */
  earlierOn(day: number): Taken;
  /** The tokens that edits brought on a day: an edit or an erasure that takes away gives none back. */
  editedTokensOn(day: number): TokenCount;
}

/** Where a session stood when the day began. */
export interface DayStart extends Place {
  /** Of the epoch of the session that it was counted for. */
  readonly epoch: string;
  /** The day's first millisecond since 1970. */
  readonly day: number;
  /** What lives of the session took that were erased or expired on that day. */
  readonly earlier: Taken;
}

function usedAt({ seq, totalCost }: Place, { earlier, ...start }: DayStart): Taken {
  return { messages: seq - start.seq + earlier.messages, tokens: totalCost - start.totalCost + earlier.tokens };
}

/** Its first millisecond since 1970, in UTC. */
export function startOfDay(now: number): number {
  return now - (now % DAY_MS);
}

/**
 * The last message before the day, by halving: 17 rows read of 100,000 messages, once a day and epoch of the object. Messages of an
 * import may bear any moment; wherever halving ends among them, nothing that was appended today is left out.
 */
export function findDayStart(log: DatedLog, now: number): Place {
  const day = startOfDay(now);
  const isToday = (seq: Seq): boolean => (log.createdAt(seq) ?? 0) >= day;
  let before = 0;
  let since = (log.head()?.seq ?? 0) + 1;
  while (since - before > 1) {
    const middle = Math.floor((before + since) / 2);
    if (isToday(middle)) since = middle;
    else before = middle;
  }
  return { seq: before, totalCost: log.appendedCostAt(before) };
}

/** What an epoch of the session took of a day so far. */
export function usedToday(log: DatedLog, book: Pick<DayBook, "editedTokensOn">, now: number): Taken {
  const start = findDayStart(log, now);
  const head = placeNow(log, book, startOfDay(now));
  return { messages: head.seq - start.seq, tokens: head.totalCost - start.totalCost };
}

function placeNow(log: DatedLog, book: Pick<DayBook, "editedTokensOn">, day: number): Place {
  const head = log.head();
  return head === null ? NOTHING_SAID : { seq: head.seq, totalCost: head.appendedCost + book.editedTokensOn(day) };
}

/** What an append or an edit took, told before it commits. */
export interface Measured extends Taken {
  /** Why it has to be rolled back; null if it has not. */
  readonly fault: Fault | null;
  /** What is left of the session's day, where it is bounded. */
  readonly quotas: readonly Quota[];
}

/** Notes where the day stands before an append or an edit. What comes back is called after it. */
export type DayMeasure = (limits: SessionLimits, epoch: string, now: number) => () => Measured;

export function createDayMeasure(log: DatedLog, book: DayBook): DayMeasure {
  let start: DayStart | undefined;
  return (limits, epoch, now) => {
    const day = startOfDay(now);
    const begun =
      start?.epoch === epoch && start.day === day
        ? start
        : { epoch, day, earlier: book.earlierOn(day), ...findDayStart(log, now) };
    start = begun;
    const before = placeNow(log, book, day);
    return () => {
      const head = placeNow(log, book, day);
      return {
        messages: head.seq - before.seq,
        tokens: head.totalCost - before.totalCost,
        fault: appendQuotaFault(limits, begun, head, before, now),
        quotas: quotasLeft(limits, begun, head, now),
      };
    };
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
  const used = usedAt(head, start);
  const usedBefore = usedAt(before, start);
  const limit = { messages: limits.sessionMessagesPerDay, tokens: limits.sessionTokensPerDay };
  const tenantLimit = { messages: limits.tenantMessagesPerDay, tokens: limits.tenantTokensPerDay };
  for (const name of ["messages", "tokens"] as const) {
    // What takes nothing is refused by nothing, though a limit was lowered below what was taken before.
    if (used[name] <= usedBefore[name]) continue;
    const most = limit[name] ?? Number.POSITIVE_INFINITY;
    if (used[name] > most) return quotaFault(name, most, most - usedBefore[name], now);
    const tenantMost = tenantLimit[name] ?? Number.POSITIVE_INFINITY;
    // One session alone took what all may: that is sure, also while the tenant's object is out of reach.
    if (usedBefore[name] >= tenantMost) return tenantQuotaFault(name, tenantMost, now);
  }
  return null;
}

/** The same of an append that a session would begin with. */
export function firstQuotaFault(
  limits: SessionLimits,
  used: { readonly messages: number; readonly tokens: TokenCount },
  now: number,
): Fault | null {
  const start = { ...NOTHING_SAID, epoch: "", day: startOfDay(now), earlier: NOTHING_TAKEN };
  return appendQuotaFault(limits, start, { seq: used.messages, totalCost: used.tokens }, NOTHING_SAID, now);
}

/**
 * Why messages that an import or a fork brings at once are refused: no day of all sessions together has room for them. They do not count
 * for the day of the session that they come to, where nobody said them.
 */
export function copiedQuotaFault(limits: SessionLimits, copied: Taken, now: number): Fault | null {
  const limit = { messages: limits.tenantMessagesPerDay, tokens: limits.tenantTokensPerDay };
  for (const name of ["messages", "tokens"] as const) {
    const most = limit[name] ?? Number.POSITIVE_INFINITY;
    if (copied[name] <= most) continue;
    return {
      code: "quota_exceeded",
      detail: `All sessions of this tenant together may take ${most} ${name} a day (UTC), and what was to be copied has ${copied[name]} or more. Nothing was changed. Copy less at a time, or ask the operator for more.`,
      retryAfterSeconds: restOfDay(now),
      facts: { quota: `tenant-${name}`, limit: most },
    };
  }
  return null;
}

function quotasLeft(limits: SessionLimits, start: DayStart, head: Place, now: number): Quota[] {
  const used = usedAt(head, start);
  const limit = { messages: limits.sessionMessagesPerDay ?? null, tokens: limits.sessionTokensPerDay ?? null };
  return (["messages", "tokens"] as const).flatMap((name) => {
    const most = limit[name];
    return most === null
      ? []
      : [{ name, limit: most, remaining: Math.max(0, most - used[name]), resetSeconds: restOfDay(now) }];
  });
}

/** Why a summary by hand is refused; null if it is not. */
export function summaryQuotaFault(limits: SessionLimits, madeToday: number, now: number): Fault | null {
  const most = limits.sessionSummariesPerDay ?? Number.POSITIVE_INFINITY;
  return madeToday < most ? null : quotaFault("summaries", most, 0, now);
}

function quotaFault(name: "messages" | "tokens" | "summaries", limit: number, remaining: number, now: number): Fault {
  const resetSeconds = restOfDay(now);
  const left = Math.max(0, remaining);
  return {
    code: "quota_exceeded",
    detail: `This session may take ${limit} ${name} a day (UTC), and has ${left} left. Nothing was changed. Send less at a time, go on after Retry-After seconds, or ask the operator for more.`,
    retryAfterSeconds: resetSeconds,
    facts: { quota: name, limit, remaining: left },
    quota: { name, limit, remaining: left, resetSeconds },
  };
}

/** Why nothing more is taken by any session of a tenant: together they took what they may. */
export function tenantQuotaFault(name: "messages" | "tokens", limit: number, now: number): Fault {
  const resetSeconds = restOfDay(now);
  const quota = `tenant-${name}` as const;
  return {
    code: "quota_exceeded",
    detail: `All sessions of this tenant together may take ${limit} ${name} a day (UTC), and took them. Nothing was changed. Go on after Retry-After seconds, or ask the operator for more.`,
    retryAfterSeconds: resetSeconds,
    facts: { quota, limit, remaining: 0 },
    quota: { name: quota, limit, remaining: 0, resetSeconds },
  };
}

/** Seconds until the day is over. */
function restOfDay(now: number): number {
  return Math.ceil((startOfDay(now) + DAY_MS - now) / 1_000);
}
