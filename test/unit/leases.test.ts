import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { NewMessage } from "../../src/contracts/message.ts";
import type { SessionLimits } from "../../src/contracts/quota.ts";
import type { LeaseAnswer, LeaseRequest, Share } from "../../src/registry/lease-client.ts";
import { grantLease } from "../../src/registry/tenant-leases.ts";
import { leasedBounds, Leases } from "../../src/session/leases.ts";
import { createLog } from "../../src/telemetry/log.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const DAY_MS = 86_400_000;

/** A tenant's object in memory, which can go away, answer late, and tells how often it was asked. */
class StandInTenant {
  limits: SessionLimits;
  leased: Share = { messages: 0, tokens: 0 };
  calls = 0;
  state: "there" | "away" | "silent" = "there";
  readonly held: (() => void)[] = [];
  #day = 0;

  constructor(limits: SessionLimits) {
    this.limits = limits;
  }

  readonly lease = async (_tenant: string, request: LeaseRequest): Promise<LeaseAnswer> => {
    this.calls += 1;
    if (this.state === "away") throw new Error("Network connection lost.");
    if (this.state === "silent") await new Promise<void>((resolve) => this.held.push(resolve));
    if (request.day !== this.#day) this.leased = { messages: 0, tokens: 0 };
    this.#day = request.day;
    const answer = grantLease(this.limits, this.leased, request);
    this.leased = {
      messages: this.leased.messages + request.owed.messages + answer.granted.messages,
      tokens: this.leased.tokens + request.owed.tokens + answer.granted.tokens,
    };
    return answer;
  };
}

/** A session that takes messages as its object does; `stored` counts what passed. */
class StandInSession {
  stored = 0;
  readonly leases: Leases;
  readonly #tenant: StandInTenant;

  constructor(tenant: StandInTenant, now: () => number) {
    this.#tenant = tenant;
    this.leases = new Leases(tenant.lease, createLog({ write: () => undefined }), now);
  }

  /** Appends so many messages; tells the refusal, or null. */
  async append(count: number, limits: SessionLimits = this.#tenant.limits) {
    const messages: NewMessage[] = Array.from({ length: count }, () => ({ role: "user", content: "Hello." }));
    const cover = await this.leases.cover({ tenant: "acme", limits }, messages);
    const used = { messages: count, tokens: count * 5 };
    const fault = cover.faultOf(used);
    if (fault !== null) return fault;
    cover.spend(used);
    this.stored += count;
    return null;
  }
}

function setUp(limits: SessionLimits) {
  const clock = { at: NOON };
  const tenant = new StandInTenant(limits);
  const wake = (): StandInSession => new StandInSession(tenant, () => clock.at);
  return { clock, tenant, wake };
}

describe("the quota of a tenant, leased by its sessions", () => {
  it("is never passed, however sessions share it, forget their leases and are refused", async () => {
    const step = fc.record({ session: fc.nat(4), count: fc.integer({ min: 1, max: 30 }), isEvicted: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 500 }), fc.array(step, { maxLength: 80 }), async (most, steps) => {
        const { tenant, wake } = setUp({ tenantMessagesPerDay: most });
        const sessions = Array.from({ length: 5 }, wake);
        let stored = 0;
        let refused = 0;
        for (const { session, count, isEvicted } of steps) {
          if (isEvicted) sessions[session] = wake();
          if ((await sessions[session]?.append(count)) === null) stored += count;
          else refused += 1;
        }
        expect(stored).toBeLessThanOrEqual(tenant.leased.messages);
        expect(tenant.leased.messages).toBeLessThanOrEqual(most);
        if (refused === 0) expect(stored).toBe(steps.reduce((sum, { count }) => sum + count, 0));
      }),
    );
  });

  it("is given to the last message that there is, where one session takes all", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 1_000 });
    const session = wake();
    for (let count = 0; count < 1_000; count += 1) expect(await session.append(1)).toBeNull();
    expect(await session.append(1)).toMatchObject({
      code: "quota_exceeded",
      retryAfterSeconds: 43_200,
      quota: { name: "tenant-messages", limit: 1_000, remaining: 0, resetSeconds: 43_200 },
    });
    expect(tenant.leased.messages).toBe(1_000);
  });

  it("is asked for seldom: a session that goes on asks once in many appends", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 1_000_000 });
    const session = wake();
    for (let count = 0; count < 1_000; count += 1) await session.append(1);
    expect(tenant.calls).toBeLessThanOrEqual(20);
  });

  it("is not asked for again where nothing is left: a flood of refusals stays away from the tenant's object", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 10 });
    const session = wake();
    await session.append(10);
    for (let count = 0; count < 50; count += 1) expect(await session.append(1)).not.toBeNull();
    expect(tenant.calls).toBeLessThanOrEqual(2);
  });

  it("tells no exact rest that it has not just asked for", async () => {
    const { wake } = setUp({ tenantMessagesPerDay: 10 });
    const session = wake();
    expect((await session.append(11))?.quota).toMatchObject({ remaining: 10 });
    const again = await session.append(11);
    expect(again).toMatchObject({ code: "quota_exceeded", retryAfterSeconds: 43_200 });
    expect(again?.quota).toBeUndefined();
    expect(await session.append(10)).toBeNull();
  });

  it("wastes on a session that falls silent no more than half of what it took, or one message", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 1_000_000 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 300 }), async (count) => {
        const before = tenant.leased.messages;
        const session = wake();
        for (let turn = 0; turn < count; turn += 1) await session.append(1);
        expect(tenant.leased.messages - before - count).toBeLessThanOrEqual(Math.max(1, count / 2));
      }),
      { numRuns: 20 },
    );
  });

  it("begins anew at midnight in UTC, and with a bound that the operator raised", async () => {
    const { clock, tenant, wake } = setUp({ tenantMessagesPerDay: 5 });
    const session = wake();
    await session.append(5);
    expect(await session.append(1)).not.toBeNull();
    clock.at += DAY_MS / 2;
    expect(await session.append(5)).toBeNull();
    expect(await session.append(1)).not.toBeNull();
    tenant.limits = { tenantMessagesPerDay: 6 };
    expect(await session.append(1)).toBeNull();
  });

  it("counts tokens beside messages", async () => {
    const { wake } = setUp({ tenantTokensPerDay: 100 });
    const session = wake();
    const fault = await (async () => {
      for (let count = 0; count < 100; count += 1) {
        const refused = await session.append(1);
        if (refused !== null) return refused;
      }
      return null;
    })();
    expect(fault?.facts?.["quota"]).toBe("tenant-tokens");
    expect(session.stored).toBeGreaterThan(0);
  });

  it("lets no later append pass an earlier one that waits for a lease", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 1_000 });
    const session = wake();
    tenant.state = "silent";
    const order: number[] = [];
    const appends = [3, 1, 2].map((count) => session.append(count).then(() => order.push(count)));
    await vi.waitFor(() => expect(tenant.held).toHaveLength(1), { timeout: 40_000 });
    tenant.state = "there";
    for (const answer of tenant.held) answer();
    await Promise.all(appends);
    expect(order).toEqual([3, 1, 2]);
  });
});

describe("while the tenant's object is out of reach", () => {
  it("appends go on, one call is made in five seconds, and what they took is counted when it is back", async () => {
    const { clock, tenant, wake } = setUp({ tenantMessagesPerDay: 1_000 });
    const session = wake();
    tenant.state = "away";
    for (let count = 0; count < 40; count += 1) expect(await session.append(1)).toBeNull();
    expect(tenant.calls).toBe(1);
    tenant.state = "there";
    clock.at += 5_000;
    expect(await session.append(1)).toBeNull();
    expect(await session.append(1)).toBeNull();
    expect(tenant.leased.messages).toBeGreaterThanOrEqual(42);
    expect(tenant.leased.messages).toBeLessThanOrEqual(42 + 21);
  });

  it("no more goes beyond the bound than what passed unasked, and all of it is told in the end", async () => {
    const step = fc.record({ session: fc.nat(3), count: fc.integer({ min: 1, max: 20 }), isAway: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 60 }), async (most, steps) => {
        const { clock, tenant, wake } = setUp({ tenantMessagesPerDay: most });
        const sessions = Array.from({ length: 4 }, () => ({ session: wake(), wasAway: false }));
        let [stored, unasked] = [0, 0];
        const take = async (one: (typeof sessions)[number], count: number, isAway: boolean): Promise<void> => {
          tenant.state = isAway ? "away" : "there";
          clock.at += 5_000;
          if ((await one.session.append(count)) === null) {
            stored += count;
            // The first append after an outage does not wait for the answer to what it asks.
            if (isAway || one.wasAway) unasked += count;
          }
          one.wasAway = isAway;
          await new Promise((resolve) => {
            setImmediate(resolve);
          });
        };
        for (const { session, count, isAway } of steps)
          await take(sessions[session] ?? expect.unreachable(), count, isAway);
        expect(stored).toBeLessThanOrEqual(most + unasked);
        for (const one of sessions) for (let turn = 0; turn < 3; turn += 1) await take(one, 1, false);
        expect(tenant.leased.messages).toBeGreaterThanOrEqual(stored);
      }),
    );
  });

  it("what is known to be used up stays so", async () => {
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 3 });
    const session = wake();
    await session.append(3);
    expect(await session.append(1)).not.toBeNull();
    tenant.state = "away";
    expect(await session.append(1)).toMatchObject({ code: "quota_exceeded" });
  });

  it("and does not answer, one append waits for a moment and no other; a late answer counts", async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { tenant, wake } = setUp({ tenantMessagesPerDay: 1_000 });
    const session = wake();
    tenant.state = "silent";
    const first = session.append(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(await first).toBeNull();
    for (let count = 0; count < 9; count += 1) expect(await session.append(1)).toBeNull();
    expect(tenant.calls).toBe(1);
    tenant.state = "there";
    for (const answer of tenant.held) answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(await session.append(1)).toBeNull();
    expect(tenant.calls).toBe(2);
    expect(tenant.leased.messages).toBeGreaterThanOrEqual(11);
  });

  it("and never answers, what was to be told is told with another call", async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { clock, tenant, wake } = setUp({ tenantMessagesPerDay: 1_000 });
    const session = wake();
    tenant.state = "away";
    for (let count = 0; count < 20; count += 1) await session.append(1);
    tenant.state = "silent";
    clock.at += 5_000;
    await session.append(1);
    tenant.state = "there";
    clock.at += 10_000;
    await session.append(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(tenant.calls).toBe(3);
    expect(tenant.leased.messages).toBeGreaterThanOrEqual(22);
  });
});

describe("whom a lease is asked for", () => {
  const begun = { tenant: "acme", owner: "-", session: "s" };
  const settings = (limits?: SessionLimits) => ({
    rev: 1,
    settings: {},
    summarization: "on" as const,
    isOverBudget: false,
    ...(limits === undefined ? {} : { limits }),
  });

  it("is nobody whose tenant has no bound of its own", () => {
    expect(leasedBounds(null, begun, undefined)).toBeNull();
    expect(leasedBounds(null, begun, settings())).toBeNull();
    expect(leasedBounds(null, begun, settings({ sessionMessagesPerDay: 5, tenantMessagesPerDay: null }))).toBeNull();
  });

  it("is no session that nobody has made yet", () => {
    expect(leasedBounds(null, null, settings({ tenantMessagesPerDay: 5 }))).toBeNull();
  });

  it("is the tenant of a session that begins, by its limits", () => {
    const limits = { tenantTokensPerDay: 5 };
    expect(leasedBounds(null, begun, settings(limits))).toEqual({ tenant: "acme", limits });
  });
});
