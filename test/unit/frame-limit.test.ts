import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import {
  createAdmission,
  createCountedLimit,
  createOwnCount,
  type Limiter,
  rateLimited,
  USUAL_LIMITS,
} from "../../src/access/rate-limit.ts";
import { FrameLimit, MAX_ASKED_AT_ONCE, MAX_WAITING_FRAMES } from "../../src/session/frame-limit.ts";
import { createLog } from "../../src/telemetry/log.ts";

const ADA = { tier: "user", name: "user:ada" } as const;
const BOB = { tier: "user", name: "user:bob" } as const;

/** A limiter whose answers come when the test says so. */
function slowLimit() {
  const asked: { name: string; pass: () => void; refuse: () => void }[] = [];
  const limit = (_tenant: string, { name }: { name: string }): Promise<void> =>
    new Promise((resolve, reject) => {
      asked.push({ name, pass: resolve, refuse: () => reject(rateLimited("this user")) });
    });
  return { asked, limit };
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe("frames of a caller", () => {
  it("ask about a few at once, and the others in their order", async () => {
    const { asked, limit } = slowLimit();
    const frames = new FrameLimit(limit);
    const done: number[] = [];
    const all = Array.from({ length: 20 }, async (_, at) => {
      expect(await frames.admit("acme", ADA, false)).toBeNull();
      done.push(at);
    });
    await settle();
    expect(asked).toHaveLength(MAX_ASKED_AT_ONCE);
    for (let at = 0; at < 20; at += 1) {
      asked[at]?.pass();
      await settle();
    }
    await Promise.all(all);
    expect(done).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });

  it("are refused for a period once one was, without a question, and another's go on", async () => {
    let now = 0;
    const { asked, limit } = slowLimit();
    const frames = new FrameLimit(limit, () => now);
    const waiting = Array.from({ length: 50 }, () => frames.admit("acme", ADA, false));
    await settle();
    asked[0]?.refuse();
    const codes = (await Promise.all(waiting.slice(MAX_ASKED_AT_ONCE))).map((fault) => fault?.code);
    expect(new Set(codes)).toEqual(new Set(["rate_limited"]));
    expect((await frames.admit("acme", ADA, false))?.code).toBe("rate_limited");
    expect(asked).toHaveLength(MAX_ASKED_AT_ONCE);
    const others = frames.admit("acme", BOB, false);
    asked.at(-1)?.pass();
    expect(await others).toBeNull();
    now = 9_999;
    expect((await frames.admit("acme", ADA, false))?.code).toBe("rate_limited");
    now = 10_000;
    const later = frames.admit("acme", ADA, false);
    await settle();
    for (const { pass } of asked) pass();
    expect(await later).toBeNull();
  });

  it("wait in no longer a line than can be held", async () => {
    const { limit } = slowLimit();
    const frames = new FrameLimit(limit);
    const open = Array.from({ length: MAX_ASKED_AT_ONCE + MAX_WAITING_FRAMES }, () => frames.admit("acme", ADA, false));
    expect((await frames.admit("acme", ADA, false))?.code).toBe("rate_limited");
    expect(open).toHaveLength(MAX_ASKED_AT_ONCE + MAX_WAITING_FRAMES);
  });

  it("are counted here while the limiter is in trouble: as much passes as usual, and is let pass anew after a period", async () => {
    let now = 0;
    const user: Limiter = { limit: () => Promise.reject(new Error("no limiter")) };
    const log = createLog({ write: () => undefined });
    const admit = createAdmission(
      { user, tenant: user },
      log,
      createOwnCount(() => now),
    );
    const frames = new FrameLimit(createCountedLimit(admit), () => now);
    const passed = async (): Promise<number> => {
      const faults = await Promise.all(Array.from({ length: 150 }, () => frames.admit("acme", ADA, false)));
      return faults.filter((fault) => fault === null).length;
    };
    expect(await passed()).toBe(USUAL_LIMITS.user);
    expect(await frames.admit("acme", BOB, false)).toBeNull();
    now = 10_000;
    expect(await passed()).toBe(USUAL_LIMITS.user);
  });
});

it("says of what is usual what wrangler.toml says", () => {
  const { ratelimits } = readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  const names = {
    USER: "user",
    KEY: "key",
    KEY_HIGH: "keyHigh",
    TENANT: "tenant",
    TENANT_HIGH: "tenantHigh",
    STRANGER: "stranger",
  };
  const set = Object.entries(names).map(([name, tier]) => [
    tier,
    ratelimits.find((limiter: { name?: string }) => limiter.name === `RATE_LIMIT_${name}`)?.simple.limit,
  ]);
  expect(Object.fromEntries(set)).toEqual(USUAL_LIMITS);
});
