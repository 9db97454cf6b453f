import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KeyScope } from "../../src/api/api-key.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantCache, TENANT_CACHE_LIMITS } from "../../src/tenant/cache.ts";
import { createKeyClient, type PresentedKey } from "../../src/tenant/key-client.ts";
import { hashSecret, makeHashKey } from "../../src/tenant/key-hash.ts";
import type { KeyHashes } from "../../src/tenant/key-records.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const READ: readonly KeyScope[] = ["memory:read"];
const hashKey = makeHashKey();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Answer {
  readonly rev: number;
  readonly keys: KeyHashes | null;
}

/** Tenants' objects by name, and an isolate that checks keys with them. */
class World {
  readonly live = new Map<string, { secret: string; expiresAt: number | null }[]>();
  readonly asked: string[] = [];
  readonly used: string[] = [];
  readonly events: string[] = [];
  isAway = false;
  #rev = 0;

  readonly #log = createLog({ write: (_, line) => this.events.push(JSON.parse(line).event) });
  readonly cache = createTenantCache<Answer>({
    load: async (tenant) => {
      this.asked.push(tenant);
      if (this.isAway) throw new Error("Network connection lost.");
      return this.#answer(tenant);
    },
    keepAlive: () => undefined,
    log: this.#log,
    limits: { ...TENANT_CACHE_LIMITS, tenants: 3, unauthenticated: 2 },
  });
  readonly keys = createKeyClient({
    objectOf: (tenant) => {
      const noteKeyUse = async (id: string): Promise<void> => {
        if (this.isAway) throw new Error("Network connection lost.");
        this.used.push(`${tenant}/${id}`);
      };
      return Object.assign(Object.create(null), { noteKeyUse });
    },
    cache: this.cache,
    keep: () => undefined,
    keepAlive: () => undefined,
    log: this.#log,
    now: Date.now,
  });

  #answer(tenant: string): Answer {
    const live = (this.live.get(tenant) ?? []).map(({ secret, expiresAt }) => {
      const id = idOf(secret);
      return { id, hash: hashSecret(hashKey, id, secret), scopes: READ, expiresAt };
    });
    this.#rev += 1;
    return { rev: this.#rev, keys: live.length === 0 ? null : { rev: this.#rev, hashKey, live } };
  }

  allow(tenant: string, secret: string, expiresAt: number | null = null): PresentedKey {
    this.live.set(tenant, [...(this.live.get(tenant) ?? []), { secret, expiresAt }]);
    return { tenant, id: idOf(secret), secret };
  }

  revoke({ tenant, secret }: PresentedKey): void {
    this.live.set(
      tenant,
      (this.live.get(tenant) ?? []).filter((key) => key.secret !== secret),
    );
  }

  async outcome(key: PresentedKey): Promise<"good" | "refused" | string> {
    try {
      return (await this.keys.check(key)) === null ? "refused" : "good";
    } catch (error) {
      if (error instanceof ThreadkeepError) return `${error.fault.code}, ${error.fault.retryAfterSeconds} s`;
      throw error;
    }
  }
}

const idOf = (secret: string): string => secret.slice(0, 4).padEnd(12, "0");
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("checking a key", () => {
  it("asks the tenant's object every half minute, however often it happens", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    for (let second = 0; second < 300; second += 5) {
      expect(await world.outcome(key)).toBe("good");
      await pass(5 * SECOND);
    }
    expect(world.asked.length).toBeGreaterThan(5);
    expect(world.asked.length).toBeLessThanOrEqual(11);
  });

  it("refuses a wrong secret, a wrong id and an unknown tenant", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    expect(await world.outcome({ ...key, secret: "one-secreT" })).toBe("refused");
    expect(await world.outcome({ ...key, id: idOf("othr") })).toBe("refused");
    expect(await world.outcome({ ...key, tenant: "umbrella" })).toBe("refused");
    expect(await world.outcome(key)).toBe("good");
  });

  it("does not accept one key's secret with another's id", async () => {
    const world = new World();
    const [one, other] = [world.allow("acme", "one-secret"), world.allow("acme", "two-secret")];
    expect(await world.outcome({ ...one, secret: other.secret })).toBe("refused");
  });

  it("ends at the moment the key expires, whatever the isolate has cached", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret", Date.now() + 10 * SECOND);
    expect(await world.outcome(key)).toBe("good");
    await pass(10 * SECOND - 1);
    expect(await world.outcome(key)).toBe("good");
    await pass(1);
    expect(await world.outcome(key)).toBe("refused");
    expect(world.asked).toHaveLength(1);
  });

  it("accepts within a second a key that is newer than the cache", async () => {
    const world = new World();
    const first = world.allow("acme", "one-secret");
    await world.outcome(first);
    await pass(SECOND);
    expect(await world.outcome(world.allow("acme", "two-secret"))).toBe("good");
  });

  it("asks no more than once a second about invented ids", async () => {
    const world = new World();
    await world.outcome(world.allow("acme", "one-secret"));
    const before = world.asked.length;
    for (let request = 0; request < 1_000; request += 1) {
      await world.outcome({ tenant: "acme", id: idOf(String(request)), secret: "guess" });
      await pass(10);
    }
    expect(world.asked.length - before).toBeLessThanOrEqual(10);
  });

  it("caches few of the tenants that strangers name, and evicts no tenant that is used for them", async () => {
    const world = new World();
    const keys = ["a", "b", "c"].map((tenant) => world.allow(tenant, `one-secret of ${tenant}`));
    for (const key of keys) {
      await world.outcome(key);
      await world.cache.read(key.tenant);
    }
    for (let stranger = 0; stranger < 50; stranger += 1) {
      await world.outcome({ tenant: `stranger-${stranger}`, id: idOf("x"), secret: "guess" });
    }
    const before = world.asked.length;
    for (const key of keys) expect(await world.outcome(key)).toBe("good");
    expect(world.asked).toHaveLength(before);
  });
});

describe("a key that is revoked", () => {
  it.each([0, 1, 15, 29, 31, 45, 49, 51, 59, 120, 599])(
    "is refused within 60 s by an isolate that checked it before, and then again %i s after",
    async (idleSeconds) => {
      const world = new World();
      const key = world.allow("acme", "one-secret");
      expect(await world.outcome(key)).toBe("good");
      world.revoke(key);
      await pass(idleSeconds * SECOND);
      const there = await world.outcome(key);
      if (idleSeconds > 50) expect(there).toBe("refused");
      await pass(Math.max(0, 60 - idleSeconds) * SECOND);
      expect(await world.outcome(key)).toBe("refused");
    },
  );

  it("is refused within 60 s by an isolate that checks it all the time", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    await world.outcome(key);
    await pass(29 * SECOND);
    world.revoke(key);
    let refusedAfter = 0;
    while ((await world.outcome(key)) === "good") {
      refusedAfter += 1;
      await pass(SECOND);
    }
    expect(refusedAfter).toBeLessThan(60);
  });
});

describe("an unavailable tenant object", () => {
  it("leaves valid keys valid for 10 minutes; then they are refused as unavailable, and accepted again when it is back", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    await world.outcome(key);
    world.isAway = true;
    for (let minute = 0; minute < 10; minute += 1) {
      expect(await world.outcome(key), `minute ${minute}`).toBe("good");
      await pass(MINUTE);
    }
    expect(await world.outcome(key)).toBe("unavailable, 5 s");
    world.isAway = false;
    await pass(5 * SECOND);
    expect(await world.outcome(key)).toBe("good");
  });

  it("makes an isolate that never read the tenant refuse: it neither accepts a key nor calls it wrong", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    world.isAway = true;
    expect(await world.outcome(key)).toBe("unavailable, 5 s");
    expect(await world.outcome({ ...key, secret: "guess" })).toBe("unavailable, 5 s");
  });

  it("does not make a check hang that it never answers", async () => {
    const keys = createKeyClient({
      objectOf: () => Object.create(null),
      cache: createTenantCache<Answer>({
        load: () => new Promise(() => {}),
        keepAlive: () => undefined,
        log: createLog({ write: () => undefined }),
      }),
      keep: () => undefined,
      keepAlive: () => undefined,
      log: createLog({ write: () => undefined }),
      now: Date.now,
    });
    const checked = keys.check({ tenant: "acme", id: idOf("one"), secret: "one" }).catch(() => "rejected");
    await pass(2 * SECOND);
    expect(await checked).toBe("rejected");
  });
});

describe("the last use of a key", () => {
  it("is reported after the answer, by each isolate every ten minutes", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    for (let second = 0; second < 1_200; second += 10) {
      await world.outcome(key);
      await pass(10 * SECOND);
    }
    expect(world.used).toEqual(["acme/one-00000000", "acme/one-00000000"]);
  });

  it("does not fail a check if it cannot be reported", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    await world.cache.read("acme");
    world.isAway = true;
    expect(await world.outcome(key)).toBe("good");
    await pass(0);
    expect(world.events).toEqual(["key_use_not_noted"]);
  });

  it("is not updated for a wrong secret", async () => {
    const world = new World();
    const key = world.allow("acme", "one-secret");
    await world.outcome({ ...key, secret: "guess" });
    expect(world.used).toEqual([]);
  });
});
