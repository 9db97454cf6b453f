import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { Pace } from "../../src/access/pace.ts";
import {
  type Counted,
  createAdmission,
  createCountedLimit,
  createOwnCount,
  type Limiter,
  rateLimited,
  USUAL_LIMITS,
} from "../../src/access/rate-limit.ts";
import { MAX_FRAME_BYTES } from "../../src/api/limits.ts";
import { FrameLimit, MAX_ASKED_AT_ONCE, MAX_WAITING_FRAMES } from "../../src/session/live/frame-limit.ts";
import { nameOfFrame } from "../../src/session/live/frames.ts";
import { createLog } from "../../src/telemetry/log.ts";

const ADA = { tier: "user", name: "user:ada" } as const;
const BOB = { tier: "user", name: "user:bob" } as const;

/** A pace without waiting. */
const unhurried = { admit: async () => undefined, spend: () => undefined, refuse: () => undefined };

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
  it("ask the limiter about a few at once, and about the others in their order", async () => {
    const { asked, limit } = slowLimit();
    const frames = new FrameLimit(limit, unhurried);
    const done: number[] = [];
    const all = Array.from({ length: 20 }, async (_, at) => {
      expect(await frames.admit("acme", ADA, false, 100)).toBeNull();
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

  it("are refused for a period after a refusal, without asking; other callers' frames are not", async () => {
    let now = 0;
    const { asked, limit } = slowLimit();
    const frames = new FrameLimit(limit, unhurried, () => now);
    const waiting = Array.from({ length: 50 }, () => frames.admit("acme", ADA, false, 100));
    await settle();
    asked[0]?.refuse();
    const codes = (await Promise.all(waiting.slice(MAX_ASKED_AT_ONCE))).map((fault) => fault?.code);
    expect(new Set(codes)).toEqual(new Set(["rate_limited"]));
    expect((await frames.admit("acme", ADA, false, 100))?.code).toBe("rate_limited");
    expect(asked).toHaveLength(MAX_ASKED_AT_ONCE);
    const others = frames.admit("acme", BOB, false, 100);
    await settle();
    asked.at(-1)?.pass();
    expect(await others).toBeNull();
    now = 9_999;
    expect((await frames.admit("acme", ADA, false, 100))?.code).toBe("rate_limited");
    now = 10_000;
    const later = frames.admit("acme", ADA, false, 100);
    await settle();
    for (const { pass } of asked) pass();
    expect(await later).toBeNull();
  });

  it("wait in a queue of limited length", async () => {
    const { limit } = slowLimit();
    const frames = new FrameLimit(limit, unhurried);
    const open = Array.from({ length: MAX_ASKED_AT_ONCE + MAX_WAITING_FRAMES }, () =>
      frames.admit("acme", ADA, false, 100),
    );
    expect((await frames.admit("acme", ADA, false, 100))?.code).toBe("rate_limited");
    expect(open).toHaveLength(MAX_ASKED_AT_ONCE + MAX_WAITING_FRAMES);
  });

  it("are counted in the object while the limiter is unavailable: the usual number passes in each period", async () => {
    let now = 0;
    const user: Limiter = { limit: () => Promise.reject(new Error("no limiter")) };
    const log = createLog({ write: () => undefined });
    const admit = createAdmission(
      { user, tenant: user },
      log,
      createOwnCount(() => now),
    );
    const frames = new FrameLimit(createCountedLimit(admit), unhurried, () => now);
    const passed = async (): Promise<number> => {
      const faults = await Promise.all(Array.from({ length: 150 }, () => frames.admit("acme", ADA, false, 100)));
      return faults.filter((fault) => fault === null).length;
    };
    expect(await passed()).toBe(USUAL_LIMITS.user);
    expect(await frames.admit("acme", BOB, false, 100)).toBeNull();
    now = 10_000;
    expect(await passed()).toBe(USUAL_LIMITS.user);
  });
});

describe("the pace of frames", () => {
  const passing = async (): Promise<void> => undefined;

  it("makes a user's frames wait, and refuses those that would wait too long, without asking", async () => {
    let asked = 0;
    const pace = new Pace({ now: () => 0, wait: async () => undefined });
    const frames = new FrameLimit(async () => void (asked += 1), pace);
    const faults = await Promise.all(Array.from({ length: 150 }, () => frames.admit("acme", ADA, false, 100)));
    const refused = faults.filter((fault) => fault?.code === "rate_limited").length;
    expect(refused).toBeGreaterThan(50);
    expect(asked).toBe(150 - refused);
    expect(await frames.admit("acme", BOB, false, 100)).toBeNull();
  });

  it("counts large frames and large answers more, and no frames of a back end", async () => {
    const passed = async (counted: Counted, length: number, answered: number): Promise<number> => {
      const frames = new FrameLimit(passing, new Pace({ now: () => 0, wait: async () => undefined }));
      const faults = [];
      for (let at = 0; at < 100; at += 1) {
        faults.push(await frames.admit("acme", counted, false, length));
        frames.spend(counted, answered);
      }
      return faults.filter((fault) => fault === null).length;
    };
    expect(await passed(ADA, MAX_FRAME_BYTES, 0)).toBeLessThan(15);
    expect(await passed(ADA, 100, MAX_FRAME_BYTES)).toBeLessThan(15);
    expect(await passed({ tier: "key", name: "key:k1" }, MAX_FRAME_BYTES, MAX_FRAME_BYTES)).toBe(100);
  });
});

it("names a frame that is refused unread by its id, if the id is near its beginning", () => {
  const content = "a".repeat(100_000);
  const append = { type: "append", id: "f1", messages: [{ role: 7, content }] };
  expect(nameOfFrame(JSON.stringify(append))).toEqual({ type: "append", id: "f1" });
  expect(nameOfFrame(JSON.stringify({ id: "f2" }))).toEqual({ id: "f2" });
  expect(nameOfFrame('{"type":"context","id":7}')).toEqual({ type: "context" });
  expect(nameOfFrame(`{ "id" : "f3",\n"type":"append","messages":[${" ".repeat(5_000)}`)).toEqual({
    type: "append",
    id: "f3",
  });
  expect(nameOfFrame(`{"messages":["${"a".repeat(2_000)}"],"id":"late"}`)).toEqual({});
  for (const none of ["", "{", "null", "[]", new ArrayBuffer(8), `{"id":"${"a".repeat(MAX_FRAME_BYTES)}"}`]) {
    expect(nameOfFrame(none)).toEqual({});
  }
});

it("has the same usual limit as wrangler.toml", () => {
  const { ratelimits } = readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  const names = {
    USER: "user",
    KEY: "key",
    KEY_HIGH: "keyHigh",
    TENANT: "tenant",
    TENANT_HIGH: "tenantHigh",
    UNAUTHENTICATED: "unauthenticated",
  };
  const set = Object.entries(names).map(([name, tier]) => [
    tier,
    ratelimits.find((limiter: { name?: string }) => limiter.name === `RATE_LIMIT_${name}`)?.simple.limit,
  ]);
  expect(Object.fromEntries(set)).toEqual(USUAL_LIMITS);
});
