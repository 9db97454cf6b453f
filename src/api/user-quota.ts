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

/** What is counted for a user each day, over all of their sessions. */
export const USER_COUNTS = ["messages", "tokens", "bytes", "summarizerTokens"] as const;
export type UserCount = (typeof USER_COUNTS)[number];
export type UserTaken = Readonly<Record<UserCount, number>>;

export const NOTHING_OF_USER: UserTaken = { messages: 0, tokens: 0, bytes: 0, summarizerTokens: 0 };

/**
 * The limits of a user: what they may add, create and export in a day, and how many sessions they may have. Null: no
 * limit.
 */
export interface UserBounds {
  readonly day: Readonly<Record<UserCount, number | null>>;
  readonly sessionsPerDay: number | null;
  readonly exportsPerDay: number | null;
  readonly sessions: number | null;
}

/** What a user's request is going to use, and the limits that apply. */
export interface UserAsk {
  readonly bounds: UserBounds;
  /** The size of what is to be copied (fork or import), if anything. */
  readonly copied?: UserTaken;
}

/** The limits of each user of a tenant. A limit that the tenant does not set has a default. */
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

/** What the directory checks when a user creates a session; undefined for a session of the tenant itself. */
export function userAskFor(owner: string, limits: SessionLimits | undefined): UserAsk | undefined {
  return owner === TENANT_OWNER ? undefined : { bounds: userBoundsOf(limits) };
}

/**
 * The daily limits that apply to a session when a user appends to it. A session of the tenant itself has no user for
 * whom to count, so a holder of a ticket gets at most a user's limits within that session's day.
 */
export function limitsByUser(owner: string, limits: SessionLimits | undefined): SessionLimits | undefined {
  if (owner !== TENANT_OWNER) return limits;
  const { messages, tokens } = userBoundsOf(limits).day;
  return {
    ...limits,
    sessionMessagesPerDay: smallerLimit(limits?.sessionMessagesPerDay, messages),
    sessionTokensPerDay: smallerLimit(limits?.sessionTokensPerDay, tokens),
  };
}

function smallerLimit(one: number | null | undefined, other: number | null): number | null {
  return one === null || one === undefined ? other : other === null ? one : Math.min(one, other);
}

/** What is counted singly by the user's directory. */
export type UserDeed = "sessions" | "exports" | "exportPages";

const QUOTA_NAMES = {
  messages: "user-messages",
  tokens: "user-tokens",
  bytes: "user-bytes",
  summarizerTokens: "user-summarizer-tokens",
  sessions: "user-sessions",
  exports: "user-exports",
  exportPages: "user-exports",
} as const satisfies Record<UserCount | UserDeed, Quota["name"]>;

const WORDS = {
  messages: "messages",
  tokens: "tokens",
  bytes: "bytes",
  summarizerTokens: "tokens of summaries made by hand or anew",
  sessions: "new sessions",
  exports: "exports",
  exportPages: "further pages of exports",
} as const satisfies Record<UserCount | UserDeed, string>;

/**
 * Refuses a request if the user has reached a daily limit that it would use; null if it may proceed. The last request
 * before the limit may exceed it.
 */
export function userDayFault(taken: UserTaken, asked: UserTaken, bounds: UserBounds, now: number): Fault | null {
  for (const name of USER_COUNTS) {
    const bound = bounds.day[name];
    if (bound !== null && asked[name] > 0 && taken[name] >= bound) return userQuotaFault(name, bound, 0, now);
  }
  return null;
}

/**
 * Refuses a copy (fork or import) that does not fit into what is left of a limit; null if it fits. Unlike for an
 * append, the whole size is known before anything is stored.
 */
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
    detail: `A user may have ${limit} sessions, and this user has reached that number. Nothing was changed. Erase sessions that are not needed, continue an existing one, or ask the operator to raise the limit.`,
    facts: { limit },
  };
}
