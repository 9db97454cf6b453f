import { describe, expect, it, onTestFinished, vi } from "vitest";
import { COMPONENTS, type OperationsHealth, readinessSchema } from "../../src/api/health.ts";
import { checkReadiness, type HealthProbes, withoutDetails } from "../../src/usecases/health.ts";
import { cacheSingleFlight } from "../../src/usecases/single-flight-cache.ts";

const NOTHING_WRONG: OperationsHealth = { failedJobs: 0, tenantsOverBudget: 0, oldestScheduledAt: null };

function probes(change: Partial<HealthProbes> = {}): HealthProbes {
  return {
    readCanary: async () => undefined,
    readOperations: async () => NOTHING_WRONG,
    pingArchive: async () => undefined,
    readQueues: async () => [{ queue: "summarize", messages: 0, oldestAt: null }],
    pingSummarizer: async () => undefined,
    isSummarizerResting: () => false,
    ...change,
  };
}

const away = async (): Promise<never> => {
  throw new Error("connect ECONNREFUSED 10.0.0.7:5432 password=secret");
};

describe("readiness", () => {
  it("is ok if every part is ok, and names all parts", async () => {
    const readiness = await checkReadiness(probes());
    expect(readinessSchema.parse(readiness).status).toBe("ok");
    expect(Object.keys(readiness.components)).toEqual([...COMPONENTS]);
  });

  it("is down without sessions, and degraded without any other part", async () => {
    expect((await checkReadiness(probes({ readCanary: away }))).status).toBe("down");
    for (const part of ["readOperations", "pingArchive", "pingSummarizer"] as const) {
      expect((await checkReadiness(probes({ [part]: away }))).status, part).toBe("degraded");
    }
    expect((await checkReadiness(probes({ isSummarizerResting: () => true }))).components["summarizer"]).toMatchObject({
      status: "degraded",
      detail: expect.stringContaining("failures"),
    });
  });

  it("does not wait for a part that does not answer", async () => {
    vi.useFakeTimers();
    try {
      const looked = checkReadiness(probes({ pingArchive: () => new Promise(() => undefined) }));
      await vi.advanceTimersByTimeAsync(2_000);
      expect(await looked).toMatchObject({
        status: "degraded",
        components: {
          postgres: { status: "degraded", detail: "no answer within 2000 ms" },
          sessions: { status: "ok" },
        },
      });
    } finally {
      vi.useRealTimers();
    }
  });

  it('says "unknown" for what cannot be counted, which does not affect the status', async () => {
    const uncounted = await checkReadiness(probes({ readQueues: async () => null }));
    expect(uncounted).toMatchObject({ status: "ok", components: { queues: { status: "unknown" } } });
    const unheard = await checkReadiness(probes({ readOperations: away }));
    expect(unheard.components).toMatchObject({
      operations: { status: "degraded" },
      failedJobs: { status: "unknown" },
      pendingWork: { status: "unknown" },
    });
  });

  it.each([
    ["many messages", { messages: 5_000, oldestAt: null }],
    ["an old one", { messages: 1, oldestAt: Date.now() - 61_000 }],
  ])("is degraded if a queue has %s", async (_, archive) => {
    const queues = [
      { queue: "summarize", messages: 0, oldestAt: null },
      { queue: "archive", ...archive },
    ];
    const { components } = await checkReadiness(probes({ readQueues: async () => queues }));
    expect(components["queues"]).toMatchObject({ status: "degraded", detail: "not drained: archive" });
    expect(components["queues"]?.measures).toMatchObject({ messages: archive.messages });
  });

  it("is not degraded by one failing job, but by a hundred", async () => {
    const withFailed = (failedJobs: number) =>
      checkReadiness(probes({ readOperations: async () => ({ ...NOTHING_WRONG, failedJobs }) }));
    expect((await withFailed(1)).components["failedJobs"]).toMatchObject({ status: "ok", measures: { jobs: 1 } });
    expect((await withFailed(100)).status).toBe("degraded");
  });

  it("measures the age of pending work from its first scheduling; a clock that is ahead gives no negative age", async () => {
    vi.useFakeTimers({ now: 1_000_000, toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const pendingSince = async (oldestScheduledAt: number) => {
      const operations = { ...NOTHING_WRONG, oldestScheduledAt };
      return (await checkReadiness(probes({ readOperations: async () => operations }))).components["pendingWork"];
    };
    expect(await pendingSince(1_000_000 - 239_999)).toMatchObject({ status: "ok", measures: { oldestSeconds: 239 } });
    expect(await pendingSince(1_000_000 - 240_000)).toMatchObject({
      status: "degraded",
      measures: { oldestSeconds: 240 },
    });
    expect(await pendingSince(1_000_001)).toMatchObject({ status: "ok", measures: { oldestSeconds: 0 } });
  });

  it("tells strangers the status of each part, but neither numbers nor reasons", async () => {
    const readiness = await checkReadiness(probes({ pingArchive: away }));
    expect(JSON.stringify(readiness)).not.toMatch(/10\.0\.0\.7|secret/);
    const told = withoutDetails(readiness);
    expect(told.status).toBe("degraded");
    for (const part of Object.values(told.components)) expect(Object.keys(part)).toEqual(["status"]);
  });
});

describe("a single-flight cache", () => {
  const setUp = () => {
    const state = { now: 0, asked: 0, keepMs: 1_000, fails: false, gate: Promise.resolve() };
    const read = cacheSingleFlight(
      async () => {
        state.asked += 1;
        const mine = state.asked;
        await state.gate;
        if (state.fails) throw new Error("away");
        return mine;
      },
      { keepMs: () => state.keepMs, keepAlive: () => undefined, now: () => state.now },
    );
    return { state, read };
  };

  it("keeps its value for its time, and then asks again", async () => {
    const { state, read } = setUp();
    expect([await read(), await read()]).toEqual([1, 1]);
    state.now = 1_000;
    expect(await read()).toBe(2);
  });

  it("asks once, however many want the value at the same time, even if it keeps no value", async () => {
    const { state, read } = setUp();
    state.keepMs = 0;
    expect(await Promise.all([read(), read(), read()])).toEqual([1, 1, 1]);
    expect(await read()).toBe(2);
  });

  it("asks again after a failure", async () => {
    const { state, read } = setUp();
    state.fails = true;
    await expect(read()).rejects.toThrow("away");
    state.fails = false;
    expect(await read()).toBe(2);
  });

  it("asks again when the request that was asking is cut off", async () => {
    const { state, read } = setUp();
    state.gate = new Promise(() => undefined);
    void read();
    state.now = 10_001;
    state.gate = Promise.resolve();
    expect(await read()).toBe(2);
  });
});
