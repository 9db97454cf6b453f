import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { newKeySchema } from "../../../src/api/api-key.ts";
import { ThreadkeepError, unwrap } from "../../../src/api/errors.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import type { MeasuredTenantCopy } from "../../../src/telemetry/metrics.ts";
import { createTenantClient, type TenantClient } from "../../../src/tenant/client.ts";
import { createCopyReader, type ReadTenantCopy } from "../../../src/tenant/copy-reader.ts";
import type { PresentedKey } from "../../../src/tenant/key-client.ts";
import { Tenant } from "../../../src/tenant/tenant.ts";
import { standIn } from "./stand-in.ts";

vi.mock("cloudflare:workers", () => import("../../../simulation/durable-object.ts"));

const SECOND = 1_000;
const MINUTE = 60_000;
const SECRET = "the admin key of the tests";
const READ = newKeySchema.parse({ name: "back end" });

/** A Workers KV namespace: each location may repeat for 30 s what it read. */
class Store {
  readonly values = new Map<string, Uint8Array>();
  readonly writes: { at: number; value: Uint8Array }[] = [];
  reads = 0;
  isAway = false;
  /** The next write neither ends nor fails: the test says when it arrives. */
  holdsNext = false;
  arrive: () => void = () => undefined;
  readonly #seen = new Map<string, { value: Uint8Array | null; until: number }>();

  async put(key: string, value: Uint8Array): Promise<void> {
    this.writes.push({ at: Date.now(), value });
    if (this.isAway) throw new Error("KV PUT failed: 500");
    if (this.holdsNext) {
      this.holdsNext = false;
      this.arrive = () => this.values.set(key, value);
      return new Promise(() => {});
    }
    this.values.set(key, value);
  }

  async get(key: string, { cacheTtl }: { cacheTtl: number }): Promise<ArrayBuffer | null> {
    this.reads += 1;
    if (this.isAway) throw new Error("KV GET failed: 500");
    const seen = this.#seen.get(key);
    const value = seen !== undefined && Date.now() < seen.until ? seen.value : (this.values.get(key) ?? null);
    if (seen === undefined || Date.now() >= seen.until) {
      this.#seen.set(key, { value, until: Date.now() + cacheTtl * SECOND });
    }
    return value === null ? null : new Uint8Array(value).buffer;
  }
}

/** The object of the tenant `acme`, its copy, and isolates that read them. */
class World {
  readonly store = new Store();
  readonly disk = new Disk();
  readonly events: string[] = [];
  readonly reads: string[] = [];
  readonly metrics = { tenantCopy: ({ result }: MeasuredTenantCopy) => void this.reads.push(result) };
  readonly log = createLog({ write: (_, line) => this.events.push(JSON.parse(line).event) });
  secret = SECRET;
  object: Tenant = this.restarted();
  /** What isolates get of the object: its answers, an error, or nothing. */
  mode: "answers" | "fails" | "hangs" = "answers";

  /** A new instance of the object. */
  restarted(): Tenant {
    const ctx = { storage: new ObjectStorage(this.disk), id: { name: "acme" } };
    this.object = new Tenant(standIn(ctx), { TENANT_COPIES: this.store, THREADKEEP_ADMIN_KEY: this.secret });
    return this.object;
  }

  isolate(): TenantClient {
    const getByName = () =>
      new Proxy(this.object, {
        get: (object, name) => {
          if (this.mode === "fails") return () => Promise.reject(new Error("Network connection lost."));
          if (this.mode === "hangs") return () => new Promise(() => {});
          const method: unknown = Reflect.get(object, name);
          return typeof method === "function" ? method.bind(object) : method;
        },
      });
    return createTenantClient(standIn({ getByName }), {
      keepAlive: () => undefined,
      log: this.log,
      readCopy: this.copyReader(),
    });
  }

  copyReader(): ReadTenantCopy {
    return createCopyReader({ store: this.store, secret: this.secret, metrics: this.metrics, log: this.log });
  }

  /** Lets time pass, and wakes the object when its alarm is due. */
  async pass(ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (this.disk.alarm !== null && this.disk.alarm <= end) {
      await vi.advanceTimersByTimeAsync(Math.max(0, this.disk.alarm - Date.now()));
      this.disk.alarm = null;
      const woken = this.object.alarm();
      await vi.advanceTimersByTimeAsync(0);
      // A write that takes long ends by itself; time goes on meanwhile.
      void woken;
    }
    await vi.advanceTimersByTimeAsync(Math.max(0, end - Date.now()));
  }

  async createKey(): Promise<PresentedKey> {
    const { state, secret } = unwrap(await this.isolate().keys.create("acme", READ));
    return { tenant: "acme", id: state.id, secret };
  }
}

/** A tenant with a key, which its copy has. */
async function worldWithKey(): Promise<{ world: World; key: PresentedKey }> {
  const world = new World();
  await world.isolate().create("acme", "eu", { maxTokens: 3_000 });
  const key = await world.createKey();
  await world.pass(SECOND);
  return { world, key };
}

/** The result of something that takes two seconds at most. */
async function soon<T>(work: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const settle = () => {
    state.isOver = true;
  };
  void work.then(settle, settle);
  await vi.advanceTimersByTimeAsync(0);
  for (let tenths = 0; tenths < 20 && !state.isOver; tenths += 1) await vi.advanceTimersByTimeAsync(100);
  expect(state.isOver).toBe(true);
  return work;
}

function outcome(isolate: TenantClient, key: PresentedKey): Promise<string> {
  const check = async () => {
    try {
      return (await isolate.keys.check(key)) === null ? "refused" : "good";
    } catch (error) {
      if (error instanceof ThreadkeepError) return error.fault.code;
      throw error;
    }
  };
  return soon(check());
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) });
  vi.stubGlobal("scheduler", { wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)) });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("while a tenant's object is unavailable", () => {
  it.each(["fails", "hangs"] as const)(
    "because it %s, an isolate that never read it accepts valid keys, and knows the settings and the jurisdiction",
    async (mode) => {
      const { world, key } = await worldWithKey();
      world.mode = mode;
      const isolate = world.isolate();
      expect(await outcome(isolate, key)).toBe("good");
      expect(await soon(isolate.read("acme"))).toMatchObject({ rev: 1, settings: { maxTokens: 3_000 } });
      const eu = standIn<DurableObjectNamespace>({});
      const namespace = standIn<DurableObjectNamespace>({
        jurisdiction: (place: string) => (place === "eu" ? eu : null),
      });
      expect(await soon(isolate.place(namespace, "acme"))).toBe(eu);
      await world.pass(60 * MINUTE);
      expect(await outcome(isolate, key)).toBe("good");
    },
  );

  it("a wrong secret and a revoked key are refused, and a key that the copy does not name is not called wrong", async () => {
    const { world, key } = await worldWithKey();
    const revoked = await world.createKey();
    unwrap(await soon(world.isolate().keys.revoke("acme", revoked.id)));
    await world.pass(SECOND);
    world.mode = "fails";
    const isolate = world.isolate();
    expect(await outcome(isolate, { ...key, secret: "guess" })).toBe("refused");
    expect(await outcome(isolate, revoked)).toBe("refused");
    expect(await outcome(isolate, { ...key, id: "0".repeat(12) })).toBe("unavailable");
    expect(await outcome(isolate, key)).toBe("good");
  });

  it("a key stops at the moment it expires", async () => {
    const { world } = await worldWithKey();
    const expiresAt = new Date(Date.now() + 10 * MINUTE).toISOString();
    const { state, secret } = unwrap(
      await world.isolate().keys.create("acme", newKeySchema.parse({ name: "short", expiresAt })),
    );
    const key = { tenant: "acme", id: state.id, secret };
    await world.pass(MINUTE);
    world.mode = "fails";
    const isolate = world.isolate();
    expect(await outcome(isolate, key)).toBe("good");
    await world.pass(10 * MINUTE);
    expect(await outcome(isolate, key)).toBe("refused");
  });

  it.each([0, 5, 15, 25, 45, 59])(
    "a key whose revocation was confirmed %i s after another isolate had accepted it by the copy is refused 60 s later",
    async (seconds) => {
      const { world, key } = await worldWithKey();
      const there = world.isolate();
      world.mode = "fails";
      expect(await outcome(there, key)).toBe("good");
      // Who revokes reaches the object, and the others do not.
      await world.pass(seconds * SECOND);
      world.mode = "answers";
      const here = world.isolate();
      expect(unwrap(await soon(here.keys.revoke("acme", key.id)))).toMatchObject({ status: "revoked", copied: true });
      world.mode = "fails";
      for (let second = 0; second < 60; second += 1) {
        await outcome(there, key);
        await world.pass(SECOND);
      }
      expect(await outcome(there, key)).toBe("refused");
      expect(await outcome(world.isolate(), key)).toBe("refused");
    },
  );

  it("a key that was revoked before is refused within a minute by an isolate that has cached it as valid", async () => {
    const { world, key } = await worldWithKey();
    const there = world.isolate();
    expect(await outcome(there, key)).toBe("good");
    unwrap(await soon(world.isolate().keys.revoke("acme", key.id)));
    world.mode = "hangs";
    await world.pass(55 * SECOND);
    expect(await outcome(there, key)).toBe("refused");
  });

  it("an isolate reads the copy every twenty seconds, however often it is asked, and waits for the object only once", async () => {
    const { world, key } = await worldWithKey();
    world.mode = "fails";
    const isolate = world.isolate();
    await outcome(isolate, key);
    const before = world.store.reads;
    for (let request = 0; request < 200; request += 1) {
      expect(await soon(isolate.keys.check(key))).not.toBeNull();
      expect(await soon(isolate.isHighTier("acme"))).toBe(false);
      await world.pass(300);
    }
    expect(world.store.reads - before).toBeLessThanOrEqual(3);
  });

  it("a copy that is older than what the isolate knows is not used, however long ago it learned that", async () => {
    const { world, key } = await worldWithKey();
    world.store.isAway = true;
    const isolate = world.isolate();
    const revoking = isolate.keys.revoke("acme", key.id);
    await world.pass(4 * SECOND);
    expect(unwrap(await revoking)).toMatchObject({ status: "revoked", copied: false });
    world.mode = "fails";
    world.store.isAway = false;
    world.disk.alarm = null;
    expect(await outcome(isolate, key)).toBe("refused");
    await world.pass(20 * MINUTE);
    expect(await outcome(isolate, key)).toBe("unavailable");
  });

  it("and its copy too, keys are accepted for ten minutes by isolates that know them, then refused as unavailable", async () => {
    const { world, key } = await worldWithKey();
    const [cached, new_] = [world.isolate(), world.isolate()];
    expect(await outcome(cached, key)).toBe("good");
    world.mode = "fails";
    world.store.isAway = true;
    expect(await outcome(cached, key)).toBe("good");
    expect(await outcome(new_, key)).toBe("unavailable");
    await world.pass(10 * MINUTE);
    expect(await outcome(cached, key)).toBe("unavailable");
    expect(world.events).toContain("tenant_copy_out_of_reach");
  });

  it("isolates ask it again in the background, and use its answer once it is back", async () => {
    const { world, key } = await worldWithKey();
    world.mode = "fails";
    const isolate = world.isolate();
    await outcome(isolate, key);
    world.mode = "answers";
    await world.isolate().update("acme", { summarization: "paused" });
    await world.pass(6 * SECOND);
    await outcome(isolate, key);
    expect(await isolate.read("acme")).toMatchObject({ summarization: "paused" });
    expect(world.events).toContain("tenant_in_reach");
  });
});

describe("the copy of a tenant", () => {
  it("is never read while the object answers", async () => {
    const { world, key } = await worldWithKey();
    const isolate = world.isolate();
    for (let minute = 0; minute < 30; minute += 1) {
      expect(await outcome(isolate, key)).toBe("good");
      await isolate.read("acme");
      await world.pass(MINUTE);
    }
    expect(world.store.reads).toBe(0);
  });

  it("is written once for changes within a second, and not at all for what changes nothing", async () => {
    const world = new World();
    const isolate = world.isolate();
    await isolate.create("acme", null, { maxTokens: 3_000 });
    for (let count = 0; count < 20; count += 1) await world.createKey();
    await isolate.update("acme", { limits: { requestTier: "high" } });
    await world.pass(SECOND);
    expect(world.store.writes).toHaveLength(1);
    await isolate.update("acme", { limits: { requestTier: "high" } });
    await isolate.spend("acme", { inputTokens: 5, outputTokens: 5 });
    await world.pass(MINUTE);
    expect(world.store.writes).toHaveLength(1);
    expect(world.disk.alarm).toBeNull();
  });

  it("is written at most once a second for revocations, each of which is in the copy when it is answered", async () => {
    const { world } = await worldWithKey();
    const keys = [await world.createKey(), await world.createKey(), await world.createKey()];
    await world.pass(10 * SECOND);
    const before = world.store.writes.length;
    const revoked = Promise.all(keys.map(({ id }) => world.isolate().keys.revoke("acme", id)));
    await world.pass(3 * SECOND);
    for (const each of await revoked) expect(unwrap(each)).toMatchObject({ copied: true });
    const writes = world.store.writes.slice(before);
    expect(writes.length).toBeLessThanOrEqual(2);
    for (const [index, { at }] of writes.entries()) {
      if (index > 0) expect(at - (writes[index - 1]?.at ?? 0)).toBeGreaterThanOrEqual(SECOND);
    }
    world.mode = "fails";
    for (const key of keys) expect(await outcome(world.isolate(), key)).toBe("refused");
  });

  it("is written again until the store has it, also by another instance of the object", async () => {
    const { world } = await worldWithKey();
    world.store.isAway = true;
    const key = await world.createKey();
    await world.pass(30 * MINUTE);
    expect(world.store.writes.length).toBeGreaterThan(5);
    expect(world.store.writes.length).toBeLessThan(25);
    world.restarted();
    world.store.isAway = false;
    await world.pass(6 * MINUTE);
    world.mode = "fails";
    expect(await outcome(world.isolate(), key)).toBe("good");
    await world.pass(2 * MINUTE);
    expect(world.disk.alarm).toBeNull();
  });

  it("is the present one in the end, also if an earlier write arrives late", async () => {
    const { world, key } = await worldWithKey();
    world.store.holdsNext = true;
    await world.isolate().update("acme", { settings: { maxTokens: 4_000 } });
    // This write has the key. It is given up after ten seconds.
    await world.pass(11 * SECOND);
    const revoking = world.isolate().keys.revoke("acme", key.id);
    await world.pass(5 * SECOND);
    expect(unwrap(await revoking)).toMatchObject({ copied: true });
    world.store.arrive();
    await world.pass(90 * SECOND);
    world.mode = "fails";
    expect(await outcome(world.isolate(), key)).toBe("refused");
    expect(world.disk.alarm).toBeNull();
  });

  it("says that the budget of the day is used up, and only on that day", async () => {
    const { world } = await worldWithKey();
    const isolate = world.isolate();
    await isolate.update("acme", { summarizerTokensPerDay: 100 });
    await isolate.spend("acme", { inputTokens: 60, outputTokens: 10 });
    await world.pass(2 * SECOND);
    const before = world.store.writes.length;
    await isolate.spend("acme", { inputTokens: 60, outputTokens: 10 });
    await isolate.spend("acme", { inputTokens: 60, outputTokens: 10 });
    await world.pass(2 * SECOND);
    expect(world.store.writes).toHaveLength(before + 1);
    world.mode = "fails";
    const there = world.isolate();
    expect(await soon(there.read("acme"))).toMatchObject({ isOverBudget: true });
    await world.pass(12 * 60 * MINUTE);
    expect(await soon(there.read("acme"))).toMatchObject({ isOverBudget: false });
  });

  it("shows whoever can read the store nothing, and is refused if it was changed or is another tenant's", async () => {
    const { world, key } = await worldWithKey();
    const sealed = world.store.values.get("acme") ?? expect.unreachable();
    const text = new TextDecoder("latin1").decode(sealed);
    for (const word of [key.id, key.secret, "maxTokens", "memory:read", "eu"]) {
      if (word.length > 2) expect(text).not.toContain(word);
    }
    const read = world.copyReader();
    expect((await read("acme"))?.keys?.live.map(({ id }) => id)).toEqual([key.id]);
    world.store.values.set("umbrella", sealed);
    expect(await read("umbrella")).toBeNull();
    await world.pass(31 * SECOND);
    const changed = new Uint8Array(sealed);
    changed[40] = (changed[40] ?? 0) ^ 1;
    world.store.values.set("acme", changed);
    expect(await read("acme")).toBeNull();
    expect(world.events.filter((event) => event === "tenant_copy_not_readable")).toHaveLength(2);
    world.store.isAway = true;
    await expect(read("acme")).rejects.toThrow("KV GET failed");
    world.store.isAway = false;
    expect(await read("wayne")).toBeNull();
    expect(world.reads).toEqual(["ok", "unreadable", "unreadable", "unavailable", "none"]);
  });

  it("is made anew with another admin key, once the tenant is used", async () => {
    const { world, key } = await worldWithKey();
    world.secret = "another admin key";
    world.restarted();
    world.mode = "fails";
    expect(await outcome(world.isolate(), key)).toBe("unavailable");
    world.mode = "answers";
    await world.isolate().read("acme");
    await world.pass(31 * SECOND);
    world.mode = "fails";
    expect(await outcome(world.isolate(), key)).toBe("good");
  });

  it("is made for a tenant that is used without being created, and not for one that is only named", async () => {
    const world = new World();
    await world.isolate().readRecord("acme");
    expect(await outcome(world.isolate(), { tenant: "acme", id: "0".repeat(12), secret: "guess" })).toBe("refused");
    await world.pass(MINUTE);
    expect(world.store.writes).toEqual([]);
    expect(world.disk.read("SELECT name FROM sqlite_master")).toEqual([]);
    await world.isolate().read("acme");
    await world.pass(SECOND);
    expect(world.store.writes).toHaveLength(1);
    world.mode = "fails";
    const namespace = standIn<DurableObjectNamespace>({});
    expect(await world.isolate().place(namespace, "acme")).toBe(namespace);
    // The copy says that it has no jurisdiction, which must stay true.
    world.mode = "answers";
    expect(await world.isolate().create("acme", "eu")).toBeNull();
    expect(await world.isolate().create("acme", null)).toMatchObject({ created: true });
  });
});
