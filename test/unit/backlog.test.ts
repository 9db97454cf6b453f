import { describe, expect, it } from "vitest";
import { backlogWaitMs, type CountedQueue, readBacklogs, readWholeBacklog } from "../../src/telemetry/backlog.ts";

const SENT_AT = 1_763_856_000_000;

const counted = (oldestMessageTimestamp?: Date | number): CountedQueue => ({
  metrics: async () => ({
    backlogCount: 2,
    backlogBytes: 500,
    ...(oldestMessageTimestamp === undefined ? {} : { oldestMessageTimestamp }),
  }),
});
const silent: CountedQueue = {
  metrics: async () => {
    throw new Error("no answer");
  },
};
const told = (queue: string, oldestAt: number | null) => ({ queue, messages: 2, bytes: 500, oldestAt });

describe("the wait that a queue reports when it accepts a message", () => {
  it("is that of its oldest message, and null if the queue does not report it", () => {
    const taken = (oldestMessageTimestamp: Date | number) => ({ metadata: { metrics: { oldestMessageTimestamp } } });
    expect(backlogWaitMs(taken(new Date(40_000)), 100_000)).toBe(60_000);
    expect(backlogWaitMs(taken(40_000), 100_000)).toBe(60_000);
    // The clocks of two machines differ.
    expect(backlogWaitMs(taken(new Date(100_500)), 100_000)).toBe(0);
    for (const nothing of [undefined, {}, { metadata: {} }, { metadata: { metrics: {} } }, taken(0)]) {
      expect(backlogWaitMs(nothing, 100_000)).toBe(0);
    }
  });
});

describe("the backlog of the queues", () => {
  it("has the age that the queue reports, as a date, a number, nothing or 0", async () => {
    const queues = { a: counted(new Date(SENT_AT)), b: counted(SENT_AT), c: counted(), d: counted(0) };
    const all = [told("a", SENT_AT), told("b", SENT_AT), told("c", null), told("d", null)];
    expect(await readBacklogs(queues)).toEqual(all);
    expect(await readWholeBacklog(queues)).toEqual(all);
  });

  it("leaves out a queue that does not answer or count, and then says that it is incomplete", async () => {
    expect(await readBacklogs({ a: counted(), b: silent, c: {} })).toEqual([told("a", null)]);
    expect(await readWholeBacklog({ a: counted(), c: {} })).toBeNull();
    await expect(readWholeBacklog({ a: counted(), b: silent })).rejects.toThrow("no answer");
  });
});
