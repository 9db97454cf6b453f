import { describe, expect, it } from "vitest";
import {
  auditDelaySeconds,
  backlogDelayMs,
  noticeDelayMs,
  resendDelayMs,
  retryDelayMs,
  unreachableDelaySeconds,
  upgradeDelayMs,
  waitDelayMs,
  wrongAgainDelaySeconds,
} from "../../src/lib/retry-policy.ts";
import { parseRetryAfter } from "../../src/provider/retry-after.ts";

/** All growing pauses: in seconds by attempt, without jitter. */
const DELAYS: Record<string, { of(attempt: number): number; readonly first: number[]; readonly longest: number }> = {
  "retryDelayMs, after the n-th failure": {
    of: (n) => retryDelayMs(n, 0.5) / 1_000,
    first: [2, 4, 8, 16, 32, 64, 128, 256, 300],
    longest: 300,
  },
  "upgradeDelayMs, after the n-th attempt": {
    of: (n) => upgradeDelayMs(n, 0.5) / 1_000,
    first: [20, 40, 80, 160, 300],
    longest: 300,
  },
  "resendDelayMs, after it was sent n times": {
    of: (n) => resendDelayMs(n, 0.5) / 1_000,
    first: [60, 120, 240, 300],
    longest: 300,
  },
  "backlogDelayMs, where the oldest message waits for n minutes": {
    of: (n) => backlogDelayMs(n * 60_000, 0.5) / 1_000,
    first: [120, 240, 360],
    longest: 3_600,
  },
  "waitDelayMs, before the n-th time": {
    of: (n) => waitDelayMs(n) / 1_000,
    first: [1, 2, 4, 8, 16, 30],
    longest: 30,
  },
  "unreachableDelaySeconds, of a message whose object is out of reach": {
    of: unreachableDelaySeconds,
    first: [5, 10, 20, 40, 80, 160, 300],
    longest: 300,
  },
  "auditDelaySeconds, of events of the audit": {
    of: auditDelaySeconds,
    first: [5, 10, 20, 40],
    longest: 3_600,
  },
  "wrongAgainDelaySeconds, of a model that gets a range wrong": {
    of: wrongAgainDelaySeconds,
    first: [120, 240, 480, 960, 1_920, 3_600],
    longest: 3_600,
  },
  "noticeDelayMs, of a webhook that takes nothing": {
    of: (n) => noticeDelayMs(n) / 1_000,
    first: [20, 40, 80, 160, 320, 640, 900],
    longest: 900,
  },
};

describe("a pause between attempts", () => {
  it.each(Object.entries(DELAYS))("grows to its maximum and no further: %s", (_, { of, first, longest }) => {
    expect(first.map((_seconds, index) => of(index + 1))).toEqual(first);
    const all = Array.from({ length: 1_100 }, (_value, index) => of(index));
    for (const [index, seconds] of all.entries()) expect(seconds).toBeGreaterThanOrEqual(all[index - 1] ?? 0);
    expect(Math.max(...all)).toBe(longest);
    // Without a maximum, a pause of ten seconds that doubles each time is 121 days at the twentieth attempt.
    expect(of(Number.MAX_SAFE_INTEGER)).toBe(longest);
  });

  it.each([
    ["retryDelayMs", retryDelayMs],
    ["upgradeDelayMs", upgradeDelayMs],
    ["resendDelayMs", resendDelayMs],
    ["backlogDelayMs", (n: number, random: number) => backlogDelayMs(n * 60_000, random)],
  ])("has jitter of a fifth in both directions: %s", (_, delay) => {
    for (const n of [1, 3, 50]) {
      expect(delay(n, 0)).toBe(Math.round(delay(n, 0.5) * 0.8));
      expect(delay(n, 1)).toBe(Math.round(delay(n, 0.5) * 1.2));
    }
  });

  it("that a provider asks for is at most an hour", () => {
    expect(parseRetryAfter("10485760", 0)).toBe(3_600);
    expect(parseRetryAfter(new Date(121 * 86_400_000).toUTCString(), 0)).toBe(3_600);
  });
});
