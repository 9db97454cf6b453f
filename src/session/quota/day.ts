/**
 * A session's daily limits. What it used today is computed from the running totals that each message carries, so no
 * counter and no extra row is written on an append.
 */

import type { Fault } from "../../api/errors.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import { DAY_SECONDS, NOTHING_TAKEN, type Quota, type SessionLimits, type Taken } from "../../api/quota.ts";

const DAY_MS = DAY_SECONDS * 1_000;

/** The first millisecond after a day. @param day its first millisecond, in ms since 1970 */
export function endOfDay(day: number): number {
  return day + DAY_MS;
}

/**
 * A point in the log: a seq, and the tokens of all messages through it as they were appended, plus those that edits
 * added today.
 */
interface Place {
  readonly seq: Seq;
  readonly totalCost: TokenCount;
}

const NOTHING_SAID: Place = { seq: 0, totalCost: 0 };

/** What this file reads of the log. */
export interface DatedLog {
  createdAt(seq: Seq): number | null;
  /** Null if the log is empty. */
  head(): { readonly seq: Seq; readonly appendedCost: TokenCount } | null;
  appendedCostAt(seq: Seq): TokenCount;
}

/** What this file reads besides the log. */
export interface DayBook {
  /** What earlier epochs of the session used on a day. */
  earlierOn(day: number): Taken;
  /** The tokens that edits added on a day. An edit or an erasure that removes tokens gives none back. */
  editedTokensOn(day: number): TokenCount;
}

/** Where the log ended when the day began. */
export interface DayStart extends Place {
  /** The epoch that it was computed for. */
  readonly epoch: string;
  /** The first millisecond of the day (UTC), in ms since 1970. */
  readonly day: number;
  /** What epochs of the session used that were erased or expired on that day. */
  readonly earlier: Taken;
}

function usedAt({ seq, totalCost }: Place, { earlier, ...start }: DayStart): Taken {
  return { messages: seq - start.seq + earlier.messages, tokens: totalCost - start.totalCost + earlier.tokens };
}

/** The first millisecond of the day (UTC) of a time, both in ms since 1970. */
export function startOfDay(now: number): number {
  return now - (now % DAY_MS);
}

/**
 * The last message before today, by binary search: it reads 17 rows of 100,000 messages, once a day while the object stays in
 * memory. Imported messages may have any time, so the search may end among them at either side; messages that were
 * appended today always come after the result.
 * @internal Checked on generated logs, which would take minutes to append.
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

/** What the current epoch of the session used today. */
export function usedToday(log: DatedLog, book: Pick<DayBook, "editedTokensOn">, now: number): Taken {
  const start = findDayStart(log, now);
  const head = placeNow(log, book, startOfDay(now));
  return { messages: head.seq - start.seq, tokens: head.totalCost - start.totalCost };
}

function placeNow(log: DatedLog, book: Pick<DayBook, "editedTokensOn">, day: number): Place {
  const head = log.head();
  return head === null ? NOTHING_SAID : { seq: head.seq, totalCost: head.appendedCost + book.editedTokensOn(day) };
}

/** What an append or an edit used, computed before it commits. */
interface Measured extends Taken {
  /** Why it must be rolled back; null if it is within the limits. */
  readonly fault: Fault | null;
  /** What is left of the session's daily limits; empty if it has none. */
  readonly quotas: readonly Quota[];
}

/**
 * Reads what the session used before an append or an edit; the returned function is called after it, and returns what
 * it used.
 */
export type DayMeasure = (limits: SessionLimits, epoch: string, now: number) => () => Measured;

/** Creates the measure of one session object. It remembers where the log ended when the day began. */
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

/**
 * Why an append that exceeds the session's limits is refused; null if it does not exceed them. The append is in the log
 * already, and is rolled back.
 * @internal Quotas have cases that would take a day to reach.
 */
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
    // A change that uses nothing is never refused, even if the limit was lowered below what was used before.
    if (used[name] <= usedBefore[name]) continue;
    const most = limit[name] ?? Number.POSITIVE_INFINITY;
    if (used[name] > most) return quotaFault(name, most, most - usedBefore[name], now);
    const tenantMost = tenantLimit[name] ?? Number.POSITIVE_INFINITY;
    // This session alone has used all that the tenant's sessions may use together. That is certain without asking the
    // tenant's object.
    if (usedBefore[name] >= tenantMost) return tenantQuotaFault(name, tenantMost, now);
  }
  return null;
}

/** The same for the append that creates a session. */
export function firstQuotaFault(
  limits: SessionLimits,
  used: { readonly messages: number; readonly tokens: TokenCount },
  now: number,
): Fault | null {
  const start = { ...NOTHING_SAID, epoch: "", day: startOfDay(now), earlier: NOTHING_TAKEN };
  return appendQuotaFault(limits, start, { seq: used.messages, totalCost: used.tokens }, NOTHING_SAID, now);
}

/**
 * Why messages that an import or a fork adds at once are refused: they alone exceed the tenant's daily limit, so they
 * would not fit on any day. They do not count against the limits of the session that they are added to, since nobody
 * said them there.
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

/** Why a summary that a client asks for is refused; null if it is not. */
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

/** Why all sessions of a tenant are refused: together they used the tenant's daily limit. */
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

/** Seconds until the end of the day (UTC). */
function restOfDay(now: number): number {
  return Math.ceil((startOfDay(now) + DAY_MS - now) / 1_000);
}
