import * as fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { TenantSettings } from "../../src/api/tenant.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantCache, TENANT_CACHE_LIMITS } from "../../src/tenant/cache.ts";

type Step =
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "read" | "changeHere" | "changeElsewhere" }
  | { readonly do: "turn"; readonly mode: Mode };
type Mode =
  | { readonly is: "away" }
  | { readonly is: "silent" }
  | { readonly is: "answering"; readonly afterMs: number };

const mode: fc.Arbitrary<Mode> = fc.oneof(
  fc.constantFrom<Mode>({ is: "away" }, { is: "silent" }),
  fc.record({ is: fc.constant("answering" as const), afterMs: fc.constantFrom(0, 40, 990, 3_000, 12_000) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: "read" }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 900, 6_000, 29_000, 200_000) }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "changeHere" }, { do: "changeElsewhere" }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("turn" as const), mode }) },
);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** One tenant, its object and one isolate. `endedAt` says when each rev was replaced by the next. */
class World {
  rev = 1;
  changedHere = 0;
  mode: Mode = { is: "answering", afterMs: 0 };
  readonly endedAt = new Map<number, number>();
  readonly cache = createTenantCache({
    load: () => this.load(),
    keepAlive: () => undefined,
    log: createLog({ write: () => undefined }),
  });

  private settings(): TenantSettings {
    return { rev: this.rev, settings: {}, summarization: "on", isOverBudget: false };
  }

  private async load(): Promise<TenantSettings> {
    if (this.mode.is === "away") throw new Error("Network connection lost.");
    const answer = this.settings();
    if (this.mode.is === "silent") return new Promise(() => {});
    const { afterMs } = this.mode;
    if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
    return answer;
  }

  change(here: boolean): void {
    this.endedAt.set(this.rev, Date.now());
    this.rev += 1;
    if (!here) return;
    this.changedHere = this.rev;
    this.cache.keep("acme", this.settings());
  }

  /** What is wrong with the result of a read; null if nothing is. */
  async faultOfRead(): Promise<string | null> {
    let served: number | null = null;
    void this.cache.read("acme").then((answer) => (served = answer?.rev ?? 0));
    await vi.advanceTimersByTimeAsync(TENANT_CACHE_LIMITS.waitMs);
    return this.faultOf(served);
  }

  private faultOf(served: number | null): string | null {
    if (served === null) return "it waits longer than a read may";
    if (served === 0) return null;
    if (served < this.changedHere) return `rev ${served} is older than this isolate's own change`;
    const outdatedForMs = Date.now() - (this.endedAt.get(served) ?? Date.now());
    const isTooOld = outdatedForMs > TENANT_CACHE_LIMITS.usableMs + TENANT_CACHE_LIMITS.waitMs;
    return isTooOld ? `rev ${served} gave way ${outdatedForMs} ms ago` : null;
  }
}

it("answers in time, with nothing older than its own change or than 10 minutes, and with the truth once the object answers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const next of steps) {
        if (next.do === "pass") await vi.advanceTimersByTimeAsync(next.ms);
        else if (next.do === "turn") world.mode = next.mode;
        else if (next.do === "read") expect(await world.faultOfRead()).toBeNull();
        else world.change(next.do === "changeHere");
      }
      world.mode = { is: "answering", afterMs: 0 };
      await vi.advanceTimersByTimeAsync(TENANT_CACHE_LIMITS.freshMs);
      expect(await world.faultOfRead()).toBeNull();
      expect((await world.cache.read("acme"))?.rev).toBe(world.rev);
    }),
    { numRuns: 1_000 },
  );
});
