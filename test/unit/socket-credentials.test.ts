import { describe, expect, it } from "vitest";
import { checkKeys, isCheckDue, KEY_CHECKED_FOR_MS } from "../../src/session/live/credentials.ts";
import { createLog } from "../../src/telemetry/log.ts";

const NOW = Date.UTC(2026, 10, 22);
const KEY = { kind: "tenant-key", id: "key:abc" } as const;

describe("the key of a socket", () => {
  it.each([
    ["a minute after it was checked", { by: KEY, keyCheckedAt: NOW - KEY_CHECKED_FOR_MS }, true],
    ["not a moment sooner", { by: KEY, keyCheckedAt: NOW - KEY_CHECKED_FOR_MS + 1 }, false],
    ["never if it is a user's token", { by: { kind: "user", id: "user:key:abc" }, keyCheckedAt: 0 }, false],
    [
      "never if it is the deployment's key",
      { by: { kind: "tenant-key", id: "deployment-key" }, keyCheckedAt: 0 },
      false,
    ],
  ] as const)("has to be checked %s", (_name, attachment, isDue) => {
    expect(isCheckDue(attachment, NOW)).toBe(isDue);
  });

  it("is considered valid for a while if the check fails, which is reported", async () => {
    const lines: string[] = [];
    const log = createLog({ write: (_level, line) => void lines.push(line) });
    const began = Date.now();
    const verdict = await checkKeys(() => Promise.reject(new Error("away")), "acme", ["abc"], log);
    expect(verdict.isGood("abc")).toBe(true);
    expect(isCheckDue({ by: KEY, keyCheckedAt: verdict.checkedAt }, began)).toBe(false);
    // It is checked again soon, and not only after the interval for a check that succeeded.
    expect(isCheckDue({ by: KEY, keyCheckedAt: verdict.checkedAt }, Date.now() + 10_000)).toBe(true);
    expect(isCheckDue({ by: KEY, keyCheckedAt: verdict.checkedAt }, Date.now() + KEY_CHECKED_FOR_MS)).toBe(true);
    expect(lines.join()).toContain("socket_keys_not_checked");
  });
});
