import type { Fault } from "./errors.ts";
import {
  USER_BYTES_PER_DAY,
  USER_EXPORTS_PER_DAY,
  USER_MESSAGES_PER_DAY,
  USER_SESSIONS,
  USER_SESSIONS_PER_DAY,
  USER_SUMMARIZER_TOKENS_PER_DAY,
  USER_TOKENS_PER_DAY,
} from "./limits.ts";
import { DAY_SECONDS, type Quota, type SessionLimits } from "./quota.ts";
import { TENANT_OWNER } from "./session.ts";

/** What a user's day is counted in, over all of their sessions. */
export const USER_COUNTS = ["messages", "tokens", "bytes", "summarizerTokens"] as const;
export type UserCount = (typeof USER_COUNTS)[number];
export type UserTaken = Readonly<Record<UserCount, number>>;

export const NOTHING_OF_USER: UserTaken = { messages: 0, tokens: 0, bytes: 0, summarizerTokens: 0 };

/** What a user may take in a day, create and have; null: no bound. */
export interface UserBounds {
  readonly day: Readonly<Record<UserCount, number | null>>;
  readonly sessionsPerDay: number | null;
  readonly exportsPerDay: number | null;
  readonly sessions: number | null;
}

/** What a user asks for, and what bounds it. */
export interface UserAsk {
  readonly bounds: UserBounds;
  /** What is to be copied, if anything. */
  readonly copied?: UserTaken;
}

/** What bounds each user of a tenant: there is a bound where the tenant says nothing. */
export function userBoundsOf(limits: SessionLimits = {}): UserBounds {
  const or = (set: number | null | undefined, usual: number): number | null => (set === undefined ? usual : set);
  return {
    day: {
      messages: or(limits.userMessagesPerDay, USER_MESSAGES_PER_DAY),
      tokens: or(limits.userTokensPerDay, USER_TOKENS_PER_DAY),
      bytes: or(limits.userBytesPerDay, USER_BYTES_PER_DAY),
      summarizerTokens: or(limits.userSummarizerTokensPerDay, USER_SUMMARIZER_TOKENS_PER_DAY),
    },
    sessionsPerDay: or(limits.userSessionsPerDay, USER_SESSIONS_PER_DAY),
    exportsPerDay: or(limits.userExportsPerDay, USER_EXPORTS_PER_DAY),
    sessions: or(limits.userSessions, USER_SESSIONS),
  };
}

/**
 * What bounds the day of a session to which a user appends. One of the tenant alone has no user whose day it could count for, so that whoever
 * came with a ticket has what a user may, within the session's own day.
 */
export function limitsByUser(owner: string, limits: SessionLimits | undefined): SessionLimits | undefined {
  if (owner !== TENANT_OWNER) return limits;
  const { messages, tokens } = userBoundsOf(limits).day;
  return {
    ...limits,
    sessionMessagesPerDay: tighter(limits?.sessionMessagesPerDay, messages),
    sessionTokensPerDay: tighter(limits?.sessionTokensPerDay, tokens),
  };
}

function tighter(one: number | null | undefined, other: number | null): number | null {
  return one === null || one === undefined ? other : other === null ? one : Math.min(one, other);
}

/** What is counted one by one, where the list of the user's sessions is. */
export type UserDeed = "sessions" | "exports";

const QUOTA_NAMES = {
  messages: "user-messages",
  tokens: "user-tokens",
  bytes: "user-bytes",
  summarizerTokens: "user-summarizer-tokens",
  sessions: "user-sessions",
  exports: "user-exports",
} as const satisfies Record<UserCount | UserDeed, Quota["name"]>;

const WORDS = {
  messages: "messages",
  tokens: "tokens",
  bytes: "bytes",
  summarizerTokens: "tokens of summaries made by hand or anew",
  sessions: "new sessions",
  exports: "exports",
} as const satisfies Record<UserCount | UserDeed, string>;

/** Why a user takes nothing more today; null as long as no bound is reached of what is asked for. */
export function userDayFault(taken: UserTaken, asked: UserTaken, bounds: UserBounds, now: number): Fault | null {
  for (const name of USER_COUNTS) {
    const bound = bounds.day[name];
    if (bound !== null && asked[name] > 0 && taken[name] >= bound) return userQuotaFault(name, bound, 0, now);
  }
  return null;
}

/** Why what is to be copied is refused: there is no room for it. Unlike what is said it comes all at once, and its size is known before. */
export function userCopyFault(taken: UserTaken, copied: UserTaken, bounds: UserBounds, now: number): Fault | null {
  for (const name of USER_COUNTS) {
    const bound = bounds.day[name];
    if (bound === null || copied[name] <= 0 || taken[name] + copied[name] <= bound) continue;
    return userQuotaFault(name, bound, Math.max(0, bound - taken[name]), now);
  }
  return null;
}

export function userQuotaFault(name: UserCount | UserDeed, limit: number, remaining: number, now: number): Fault {
  const resetSeconds = DAY_SECONDS - (Math.floor(now / 1_000) % DAY_SECONDS);
  const quota = QUOTA_NAMES[name];
  return {
    code: "quota_exceeded",
    detail: `A user may have ${limit} ${WORDS[name]} a day (UTC), in all of their sessions together, and this one has ${remaining} left. Nothing was changed. Go on after Retry-After seconds, let your back end do it with its key, or ask the operator for more.`,
    retryAfterSeconds: resetSeconds,
    facts: { quota, limit, remaining },
    quota: { name: quota, limit, remaining, resetSeconds },
  };
}

export function tooManySessions(limit: number): Fault {
  return {
    code: "too_many_sessions",
    detail: `A user may have ${limit} sessions, and this one has them. Nothing was changed. Erase those that are not needed, go on in one that is there, or ask the operator for more.`,
    facts: { limit },
  };
}
