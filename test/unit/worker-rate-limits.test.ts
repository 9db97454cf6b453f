import { describe, expect, it } from "vitest";
import { createLimiter, MAX_KEYS } from "../../scripts/dev/worker-rate-limits.ts";

const LIMIT = 3;
const PERIOD_MS = 10_000;

function limiterAt(startedAt: number) {
  const clock = { now: startedAt };
  const limiter = createLimiter({ limit: LIMIT, period: PERIOD_MS / 1_000 }, () => clock.now);
  const isAdmitted = async (key: string): Promise<boolean> => (await limiter.limit({ key })).success;
  const timesAdmitted = async (key: string): Promise<number> => {
    const all = await Promise.all(Array.from({ length: LIMIT + 2 }, () => isAdmitted(key)));
    return all.filter(Boolean).length;
  };
  return { clock, isAdmitted, timesAdmitted };
}

describe("a rate limiter of the local service", () => {
  it("admits as many calls with a key as the limit says, and counts each key by itself", async () => {
    const { timesAdmitted } = limiterAt(PERIOD_MS);
    expect(await timesAdmitted("mallory")).toBe(LIMIT);
    expect(await timesAdmitted("ada")).toBe(LIMIT);
  });

  it("admits them again when the period is over, and not before", async () => {
    const { clock, timesAdmitted } = limiterAt(PERIOD_MS);
    expect(await timesAdmitted("mallory")).toBe(LIMIT);
    clock.now = 2 * PERIOD_MS - 1;
    expect(await timesAdmitted("mallory")).toBe(0);
    clock.now = 2 * PERIOD_MS;
    expect(await timesAdmitted("mallory")).toBe(LIMIT);
  });

  it("forgets the key that it has counted longest if there are too many in one period", async () => {
    const { isAdmitted, timesAdmitted } = limiterAt(PERIOD_MS);
    await timesAdmitted("first");
    await timesAdmitted("second");
    for (let count = 2; count < MAX_KEYS; count += 1) await isAdmitted(`other-${count}`);
    expect(await isAdmitted("first")).toBe(false);
    await isAdmitted("one more");
    expect(await isAdmitted("second")).toBe(false);
    expect(await isAdmitted("first")).toBe(true);
  });
});
