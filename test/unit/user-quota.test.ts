import { describe, expect, it } from "vitest";
import type { SessionLimits } from "../../src/api/quota.ts";
import { TENANT_OWNER } from "../../src/api/session.ts";
import {
  limitsByUser,
  NOTHING_OF_USER,
  tooManySessions,
  type UserCount,
  userBoundsOf,
  userCopyFault,
  userDayFault,
  userQuotaFault,
} from "../../src/api/user-quota.ts";

const NOON = Date.UTC(2026, 10, 29, 12);
const of = (name: UserCount, count: number) => ({ ...NOTHING_OF_USER, [name]: count });

describe("a user's limits", () => {
  it("are set in each respect if the tenant sets nothing, and removed by null", () => {
    const usual = userBoundsOf();
    expect(usual).toEqual({
      day: { messages: 10_000, tokens: 4_000_000, bytes: 268_435_456, summarizerTokens: 1_000_000 },
      sessionsPerDay: 500,
      exportsPerDay: 50,
      sessions: 10_000,
    });
    expect(userBoundsOf({ userMessagesPerDay: 3, userSessions: null })).toEqual({
      ...usual,
      day: { ...usual.day, messages: 3 },
      sessions: null,
    });
  });

  it.each<UserCount>(["messages", "tokens", "bytes", "summarizerTokens"])(
    "is refused of %s once the bound is reached, not before, and only to who asks for more of it",
    (name) => {
      const { day, ...sessions } = userBoundsOf({});
      const bounds = { ...sessions, day: { ...day, [name]: 10 } };
      expect(userDayFault(of(name, 9), of(name, 5), bounds, NOON)).toBeNull();
      expect(userDayFault(of(name, 10), of(name, 0), bounds, NOON)).toBeNull();
      expect(userDayFault(of(name, 10), of(name, 1), bounds, NOON)).toMatchObject({
        code: "quota_exceeded",
        quota: { limit: 10, remaining: 0, resetSeconds: 43_200 },
      });
      expect(userDayFault(of(name, 10), of(name, 1), { ...bounds, day: { ...day, [name]: null } }, NOON)).toBeNull();
    },
  );

  it("refuse a copy that does not fit as a whole", () => {
    const bounds = userBoundsOf({ userMessagesPerDay: 10 });
    expect(userCopyFault(of("messages", 4), of("messages", 6), bounds, NOON)).toBeNull();
    expect(userCopyFault(of("messages", 4), of("messages", 7), bounds, NOON)).toMatchObject({
      code: "quota_exceeded",
      facts: { quota: "user-messages", limit: 10, remaining: 6 },
    });
    expect(userCopyFault(of("messages", 10), of("bytes", 7), bounds, NOON)).toBeNull();
  });

  it("are reported with what to do next", () => {
    expect(userQuotaFault("sessions", 500, 0, NOON).detail).toMatch(
      /500 new sessions a day.* Nothing was changed\. Go on after Retry-After seconds, let your back end/,
    );
    expect(tooManySessions(7).detail).toMatch(
      /7 sessions.*Erase sessions that are not needed, continue an existing one/,
    );
  });
});

describe("a session to which a user appends", () => {
  it("counts for the user's day, whichever session it is", () => {
    expect(limitsByUser("ada", undefined)).toBeUndefined();
    expect(limitsByUser("ada", { sessionMessagesPerDay: 5 })).toEqual({ sessionMessagesPerDay: 5 });
  });

  it.each<[string, SessionLimits | undefined, number | null]>([
    ["what a user may by default", undefined, 10_000],
    ["what a user may", { userMessagesPerDay: 5 }, 5],
    ["what the session may, if that is less", { userMessagesPerDay: 5, sessionMessagesPerDay: 3 }, 3],
    ["what a user may, if that is less", { userMessagesPerDay: 5, sessionMessagesPerDay: 9 }, 5],
    ["what the session may, where users have no bound", { userMessagesPerDay: null, sessionMessagesPerDay: 9 }, 9],
    ["unbounded, where neither is", { userMessagesPerDay: null }, null],
  ])("is, in one of the tenant alone, %s", (_what, limits, messages) => {
    expect(limitsByUser(TENANT_OWNER, limits)?.sessionMessagesPerDay).toBe(messages);
  });
});
