import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NOTHING_TAKEN, type SessionLimits, type Taken } from "../../src/api/quota.ts";
import { startOfDay } from "../../src/session/quota/day.ts";
import { TenantDays } from "../../src/session/quota/tenant-days.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { TakenAnswer, TakenReport } from "../../src/tenant/taken-client.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const DAY_MS = 86_400_000;
const TENANT = "acme";

const ofMessages = (messages: number): Taken => ({ messages, tokens: 0 });

/** A tenant's object in memory. Reports to it can be lost, and so can its answers. */
class StandInTenant {
  readonly #told = new Map<string, Map<number, Taken>>();
  calls = 0;
  state: "there" | "away" | "mute" = "there";

  total(day: number): number {
    return [...this.#told.values()].reduce((sum, days) => sum + (days.get(day)?.messages ?? 0), 0);
  }

  readonly note = async (_tenant: string, { teller, day, messages }: TakenReport): Promise<TakenAnswer> => {
    this.calls += 1;
    if (this.state === "away") throw new Error("Network connection lost.");
    const days = this.#told.get(teller) ?? new Map<number, Taken>();
    const told = ofMessages(Math.max(days.get(day)?.messages ?? 0, messages));
    days.set(day, told);
    this.#told.set(teller, days);
    const answer = { total: ofMessages(this.total(day)), told };
    if (this.state === "mute") throw new Error("The answer was lost.");
    return answer;
  };
}

/** An isolate whose sessions append, with the true count of what they used. */
class StandInIsolate {
  days = new TenantDays(createLog({ write: () => undefined }));
  readonly #tenant: StandInTenant;
  readonly #clock: { at: number };
  #waiting: { at: number } | null = null;

  constructor(tenant: StandInTenant, clock: { at: number }) {
    this.#tenant = tenant;
    this.#clock = clock;
  }

  /** Whether an append passed. A due report is sent before anything else happens. */
  async append(messages: number, limits: SessionLimits, told?: number): Promise<boolean> {
    const { at } = this.#clock;
    const day = new Date(at).toISOString().slice(0, 10);
    const settings = told === undefined ? undefined : { takenToday: { day, messages: told, tokens: 0 } };
    if (this.days.faultOf(TENANT, limits, ofMessages(messages), settings, at) !== null) return false;
    this.days.count(TENANT, ofMessages(messages), at);
    const pause = this.days.tellIn(TENANT, limits, at);
    if (pause === 0) await this.days.tell(TENANT, this.#tenant.note, at);
    else if (pause !== null) this.#waiting = { at: at + pause };
    return true;
  }

  /** Sends the report that waits, when it is due. */
  async tick(): Promise<void> {
    if (this.#waiting === null || this.#waiting.at > this.#clock.at) return;
    this.#waiting = null;
    await this.days.tell(TENANT, this.#tenant.note, this.#clock.at);
  }

  /** As in a crash: unreported usage is forgotten. */
  restart(): void {
    this.days = new TenantDays(createLog({ write: () => undefined }));
    this.#waiting = null;
  }

  /** The object that was to send the report is evicted. */
  evict(): void {
    this.#waiting = null;
  }
}

function setUp(isolates = 1) {
  const clock = { at: NOON };
  const tenant = new StandInTenant();
  return { clock, tenant, isolates: Array.from({ length: isolates }, () => new StandInIsolate(tenant, clock)) };
}

describe("a tenant's day, as its isolates count it", () => {
  const step = fc.record({
    isolate: fc.nat(4),
    messages: fc.integer({ min: 1, max: 30 }),
    pauseMs: fc.oneof(fc.constant(0), fc.nat(1_000), fc.nat(20_000)),
    fault: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.constantFrom("away", "mute", "restart", "evict")),
    isTold: fc.boolean(),
  });

  test("is never refused below its quota, whatever is lost, crashes or is repeated", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000 }), fc.array(step, { maxLength: 120 }), async (bound, steps) => {
        const { clock, tenant, isolates } = setUp(5);
        const limits = { tenantMessagesPerDay: bound };
        const truth = new Map<number, number>();
        for (const { isolate: index, messages, pauseMs, fault, isTold } of steps) {
          clock.at += pauseMs;
          tenant.state = fault === "away" || fault === "mute" ? fault : "there";
          for (const each of isolates) await each.tick();
          const isolate = isolates[index] ?? new StandInIsolate(tenant, clock);
          if (fault === "restart") isolate.restart();
          if (fault === "evict") isolate.evict();
          const day = startOfDay(clock.at);
          const before = truth.get(day) ?? 0;
          const passed = await isolate.append(messages, limits, isTold ? tenant.total(day) : undefined);
          if (!passed) expect(before).toBeGreaterThanOrEqual(bound);
          else truth.set(day, before + messages);
          expect(tenant.total(day)).toBeLessThanOrEqual(truth.get(day) ?? 0);
        }
      }),
    );
  });

  test("exceeds its quota only by what its isolates have not reported: a hundredth in each, and one append", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 500, max: 2_000 }),
        fc.array(step, { minLength: 100, maxLength: 400 }),
        async (bound, steps) => {
          const { clock, isolates } = setUp(5);
          let truth = 0;
          for (const { isolate: index, messages, pauseMs } of steps) {
            clock.at += pauseMs % 1_000;
            for (const each of isolates) await each.tick();
            if ((await isolates[index]?.append(messages, { tenantMessagesPerDay: bound })) === true) truth += messages;
          }
          expect(truth).toBeLessThan(bound + 5 * (0.01 * bound + 30) + 30);
        },
      ),
    );
  });

  test("is used up completely by 400 sessions of mixed sizes, which are all refused afterwards", async () => {
    const { clock, tenant, isolates } = setUp(8);
    const limits = { tenantMessagesPerDay: 20_000 };
    let truth = 0;
    let refused = 0;
    for (let turn = 0; refused < 400 && turn < 20_000; turn += 1) {
      const session = turn % 400;
      clock.at += 7;
      for (const each of isolates) await each.tick();
      const messages = 1 + ((session * 13) % 40);
      if ((await isolates[session % 8]?.append(messages, limits)) === true) {
        truth += messages;
        refused = 0;
      } else {
        expect(truth).toBeGreaterThanOrEqual(20_000);
        refused += 1;
      }
    }
    expect(refused).toBe(400);
    expect(truth).toBeLessThan(20_000 * 1.1);
    // Each isolate reports every five seconds, and a hundred times for its shares.
    expect(tenant.calls).toBeLessThan(100 + 8 * (1 + (clock.at - NOON) / 5_000));
  });

  test("starts anew at midnight, and what was unreported of the day before is still reported", async () => {
    const { clock, tenant, isolates } = setUp(2);
    const [one, other] = isolates;
    const limits = { tenantMessagesPerDay: 1_000 };
    clock.at = startOfDay(NOON) + DAY_MS - 1;
    expect(await one?.append(992, limits)).toBe(true);
    expect(await one?.append(5, limits)).toBe(true);
    expect(await one?.append(3, limits)).toBe(true);
    expect(await one?.append(1, limits)).toBe(false);
    expect(tenant.total(startOfDay(NOON))).toBe(992);
    clock.at += 1;
    expect(await one?.append(1, limits)).toBe(true);
    expect(await other?.append(1, limits)).toBe(true);
    clock.at += 5_000;
    await one?.tick();
    expect(tenant.total(startOfDay(NOON))).toBe(1_000);
    expect(tenant.total(startOfDay(clock.at))).toBe(2);
  });

  test("is completed by a late report of what could not be reported in time, even if nothing else happened on that day", async () => {
    const { clock, tenant, isolates } = setUp();
    const [isolate] = isolates;
    const limits = { tenantMessagesPerDay: 100 };
    clock.at = startOfDay(NOON) + DAY_MS - 1;
    tenant.state = "away";
    expect(await isolate?.append(3, limits)).toBe(true);
    expect(tenant.calls).toBe(1);
    tenant.state = "there";
    clock.at += 10_000;
    expect(await isolate?.append(1, limits)).toBe(true);
    expect(tenant.total(startOfDay(NOON))).toBe(3);
    expect(tenant.total(startOfDay(clock.at))).toBe(1);
  });

  test("ignores an answer of yesterday, and uses one of today that came with the settings", async () => {
    const { clock, isolates } = setUp();
    const limits = { tenantMessagesPerDay: 10 };
    const told = (day: string, messages: number) => ({ takenToday: { day, messages, tokens: 0 } });
    const faultOf = (settings: ReturnType<typeof told>) =>
      isolates[0]?.days.faultOf(TENANT, limits, ofMessages(1), settings, clock.at);
    expect(faultOf(told("2026-11-21", 10))).toBeNull();
    expect(faultOf(told("2026-11-22", 9))).toBeNull();
    expect(faultOf(told("2026-11-22", 10))).toMatchObject({
      code: "quota_exceeded",
      quota: { name: "tenant-messages", limit: 10, remaining: 0, resetSeconds: 43_200 },
    });
  });

  test("is reported once in five seconds and not with each append; the rest is reported by a waiting call, or by the next one", async () => {
    const { clock, tenant, isolates } = setUp();
    const [isolate] = isolates;
    const limits = { tenantMessagesPerDay: 100_000 };
    for (let count = 0; count < 50; count += 1) await isolate?.append(1, limits);
    expect(tenant.calls).toBe(1);
    clock.at += 5_000;
    await isolate?.tick();
    expect(tenant.total(startOfDay(NOON))).toBe(50);
    await isolate?.append(1, limits);
    isolate?.evict();
    clock.at += 60_000;
    await isolate?.append(1, limits);
    expect(tenant.total(startOfDay(NOON))).toBe(52);
    expect(tenant.calls).toBe(3);
  });

  test("continues while the tenant's object is unavailable, with few reports, and a complete one with the first append afterwards", async () => {
    const { clock, tenant, isolates } = setUp();
    const [isolate] = isolates;
    const limits = { tenantMessagesPerDay: 1_000 };
    tenant.state = "away";
    for (let count = 0; count < 100; count += 1) {
      expect(await isolate?.append(5, limits)).toBe(true);
      clock.at += 100;
      await isolate?.tick();
    }
    expect(tenant.calls).toBeLessThan(4);
    tenant.state = "there";
    clock.at += 5_000;
    await isolate?.append(5, limits);
    expect(tenant.total(startOfDay(NOON))).toBe(505);
  });

  test("limits only what is requested: an edit uses no messages, and passes if none are left", () => {
    const { clock, isolates } = setUp();
    const days = isolates[0]?.days;
    days?.count(TENANT, { messages: 5, tokens: 50 }, clock.at);
    const limits = { tenantMessagesPerDay: 5, tenantTokensPerDay: 100 };
    const faultOf = (taken: Taken) => days?.faultOf(TENANT, limits, taken, undefined, clock.at)?.quota?.name;
    expect(faultOf({ messages: 0, tokens: 20 })).toBeUndefined();
    expect(faultOf({ messages: 1, tokens: 20 })).toBe("tenant-messages");
    expect(faultOf(NOTHING_TAKEN)).toBeUndefined();
    days?.count(TENANT, { messages: 0, tokens: 50 }, clock.at);
    expect(faultOf({ messages: 0, tokens: 1 })).toBe("tenant-tokens");
  });
});
