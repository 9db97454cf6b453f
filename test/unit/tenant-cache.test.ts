import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TenantSettings } from "../../src/api/tenant.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantCache, TENANT_CACHE_LIMITS } from "../../src/tenant/cache.ts";

const SECOND = 1_000;
const MINUTE = 60_000;

const at = (rev: number): TenantSettings => ({
  rev,
  settings: { maxTokens: 1_000 + rev },
  summarization: "on",
  isOverBudget: false,
});
const hangs = (): Promise<never> => new Promise(() => {});
const fails = (): Promise<never> => Promise.reject(new Error("Network connection lost."));

/** A cache over an object that answers as the test says, and a record of its calls. */
function cacheOver(answer: (tenant: string) => Promise<TenantSettings>, limits = TENANT_CACHE_LIMITS) {
  const source = { answer };
  const calls: string[] = [];
  const kept: Promise<void>[] = [];
  const events: string[] = [];
  const cache = createTenantCache({
    load: (tenant) => {
      calls.push(tenant);
      return source.answer(tenant);
    },
    keepAlive: (work) => kept.push(work),
    log: createLog({ write: (_, line) => events.push(JSON.parse(line).event) }),
    limits,
  });
  return { cache, source, calls, kept, events };
}

/** The state of a promise after everything that needs no time. */
async function settledNow<T>(promise: Promise<T>): Promise<T | "waits"> {
  let result: T | "waits" = "waits";
  void promise.then((value) => (result = value));
  await vi.advanceTimersByTimeAsync(0);
  return result;
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("an isolate that reads a tenant", () => {
  it("asks the object once in 30 s, however often it reads", async () => {
    const { cache, calls } = cacheOver(async () => at(1));
    for (let read = 0; read < 10; read += 1) {
      expect(await cache.read("acme")).toEqual(at(1));
      await pass(2_999);
    }
    expect(calls).toEqual(["acme"]);
  });

  it("asks the object once for concurrent reads", async () => {
    const { cache, calls } = cacheOver(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return at(1);
    });
    const reads = Promise.all(Array.from({ length: 20 }, () => cache.read("acme")));
    await pass(50);
    expect(await reads).toEqual(Array.from({ length: 20 }, () => at(1)));
    expect(calls).toEqual(["acme"]);
  });

  it("counts the age of an answer from its request: one that took 9 s may be 9 s old", async () => {
    const { cache, source, calls } = cacheOver(async () => {
      await new Promise((resolve) => setTimeout(resolve, 9 * SECOND));
      return at(1);
    });
    void cache.read("acme");
    await pass(30 * SECOND);
    source.answer = async () => at(2);
    await cache.read("acme");
    await pass(0);
    expect(await cache.read("acme")).toEqual(at(2));
    expect(calls).toHaveLength(2);
  });

  it("keeps tenants apart", async () => {
    const { cache } = cacheOver(async (tenant) => at(tenant === "acme" ? 1 : 2));
    expect([await cache.read("acme"), await cache.read("umbrella"), await cache.read("acme")]).toEqual([
      at(1),
      at(2),
      at(1),
    ]);
  });

  it("does not wait for a refresh: the old answer is used until the new one is there", async () => {
    const { cache, source, calls } = cacheOver(async () => at(1));
    await cache.read("acme");
    await pass(30 * SECOND);
    const refresh = Promise.withResolvers<TenantSettings>();
    source.answer = () => refresh.promise;
    expect(await settledNow(cache.read("acme"))).toEqual(at(1));
    expect(await settledNow(cache.read("acme"))).toEqual(at(1));
    expect(calls).toHaveLength(2);
    refresh.resolve(at(2));
    await pass(0);
    expect(await settledNow(cache.read("acme"))).toEqual(at(2));
  });

  it("keeps each call alive after the request that started it", async () => {
    const { cache, kept } = cacheOver(async () => at(1));
    await cache.read("acme");
    await pass(30 * SECOND);
    await cache.read("acme");
    expect(kept).toHaveLength(2);
    await expect(Promise.all(kept)).resolves.toBeDefined();
  });
});

describe("an unavailable tenant object", () => {
  it("leaves the last answer valid for 10 minutes, and then none", async () => {
    const { cache, source } = cacheOver(async () => at(1));
    await cache.read("acme");
    source.answer = fails;
    await pass(10 * MINUTE - 1);
    expect(await settledNow(cache.read("acme"))).toEqual(at(1));
    await pass(1);
    expect(await settledNow(cache.read("acme"))).toBeNull();
  });

  it("is waited for again after 10 minutes without a read", async () => {
    const { cache, source } = cacheOver(async () => at(1));
    await cache.read("acme");
    source.answer = async () => at(2);
    await pass(10 * MINUTE);
    expect(await cache.read("acme")).toEqual(at(2));
  });

  it.each([
    ["rejects", fails],
    [
      "throws before it is asked",
      () => {
        throw new TypeError("no such binding");
      },
    ],
  ])("fails no read when it %s: there is no answer", async (_, answer) => {
    const { cache } = cacheOver(answer);
    expect(await settledNow(cache.read("acme"))).toBeNull();
  });

  it("is not called for 5 s after a failure, and is used again afterwards", async () => {
    const { cache, source, calls } = cacheOver(fails);
    await cache.read("acme");
    source.answer = async () => at(3);
    await pass(5 * SECOND - 1);
    expect(await settledNow(cache.read("acme"))).toBeNull();
    expect(calls).toHaveLength(1);
    await pass(1);
    expect(await settledNow(cache.read("acme"))).toEqual(at(3));
  });

  it("is logged when it becomes unavailable and when it is back, not with each call in between", async () => {
    const { cache, source, events } = cacheOver(fails);
    for (let read = 0; read < 4; read += 1) {
      await cache.read("acme");
      await pass(5 * SECOND);
    }
    source.answer = async () => at(1);
    await cache.read("acme");
    await pass(30 * SECOND);
    await cache.read("acme");
    await pass(0);
    expect(events).toEqual(["tenant_out_of_reach", "tenant_in_reach"]);
  });
});

describe("a tenant's object that does not answer", () => {
  it("delays the first read by 1 s, and none after that", async () => {
    const { cache } = cacheOver(hangs);
    const first = cache.read("acme");
    await pass(600);
    const second = cache.read("acme");
    await pass(399);
    expect([await settledNow(first), await settledNow(second)]).toEqual(["waits", "waits"]);
    await pass(1);
    expect([await settledNow(first), await settledNow(second)]).toEqual([null, null]);
    expect(await settledNow(cache.read("acme"))).toBeNull();
  });

  it("still fills the cache with a late answer", async () => {
    const late = Promise.withResolvers<TenantSettings>();
    const { cache, calls } = cacheOver(() => late.promise);
    const first = cache.read("acme");
    await pass(SECOND);
    expect(await first).toBeNull();
    late.resolve(at(4));
    expect(await settledNow(cache.read("acme"))).toEqual(at(4));
    expect(calls).toHaveLength(1);
  });

  it("is called again after 10 s, and an answer to the abandoned call undoes nothing", async () => {
    const lost = Promise.withResolvers<TenantSettings>();
    const { cache, source, calls, events } = cacheOver(() => lost.promise);
    void cache.read("acme");
    await pass(10 * SECOND - 1);
    await cache.read("acme");
    expect(calls).toHaveLength(1);
    await pass(1);
    source.answer = async () => at(6);
    expect(await settledNow(cache.read("acme"))).toEqual(at(6));
    lost.resolve(at(5));
    await pass(0);
    expect(await cache.read("acme")).toEqual(at(6));
    expect(events).toEqual(["tenant_out_of_reach", "tenant_in_reach"]);
  });
});

describe("a change made through an isolate", () => {
  it("is seen by its next read", async () => {
    const { cache, calls } = cacheOver(async () => at(1));
    await cache.read("acme");
    cache.keep("acme", at(2));
    expect(await settledNow(cache.read("acme"))).toEqual(at(2));
    expect(calls).toHaveLength(1);
  });

  it("is not undone by a read that started before it and ends after it", async () => {
    const early = Promise.withResolvers<TenantSettings>();
    const { cache } = cacheOver(() => early.promise);
    const read = cache.read("acme");
    cache.keep("acme", at(2));
    early.resolve(at(1));
    expect(await settledNow(read)).toEqual(at(2));
    expect(await settledNow(cache.read("acme"))).toEqual(at(2));
  });

  it("is not undone by one before it whose answer arrives later", async () => {
    const { cache } = cacheOver(async () => at(1));
    cache.keep("acme", at(3));
    cache.keep("acme", at(2));
    expect(await cache.read("acme")).toEqual(at(3));
  });

  it("is replaced by an older rev of the object itself, which may have been restored", async () => {
    const { cache } = cacheOver(async () => at(1));
    cache.keep("acme", at(3));
    await pass(30 * SECOND);
    await cache.read("acme");
    await pass(0);
    expect(await cache.read("acme")).toEqual(at(1));
  });
});

describe("the cache of an isolate", () => {
  it("has a maximum number of tenants, and evicts the one that was not read for longest", async () => {
    const { cache, calls } = cacheOver(async () => at(1), { ...TENANT_CACHE_LIMITS, tenants: 3 });
    for (const tenant of ["a", "b", "c", "a", "d"]) await cache.read(tenant);
    expect(calls).toEqual(["a", "b", "c", "d"]);
    for (const tenant of ["a", "c", "d"]) await cache.read(tenant);
    expect(calls).toEqual(["a", "b", "c", "d"]);
    await cache.read("b");
    expect(calls).toEqual(["a", "b", "c", "d", "b"]);
  });
});
