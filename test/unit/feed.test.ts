import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_EVENTS } from "../../src/api/limits.ts";
import {
  type Change,
  countThrough,
  type Entry,
  entriesAfter,
  revBaseOf,
  FeedWindow,
} from "../../src/session/log/feed.ts";

/** A written session: each step appends a message or changes something. */
function history(steps: readonly ("append" | "change")[]): { entries: Entry[]; changes: Change[]; headSeq: number } {
  const entries: Entry[] = [];
  const changes: Change[] = [];
  let headSeq = 0;
  for (const [index, step] of steps.entries()) {
    const rev = index + 1;
    if (step === "append") {
      headSeq += 1;
      entries.push({ rev, seq: headSeq });
      continue;
    }
    const about = { kind: "edited", seq: 1, throughSeq: null, version: null, degraded: false } as const;
    const change = { rev, headSeq, ...about };
    changes.push(change);
    entries.push({ rev, seq: null, change });
  }
  return { entries, changes, headSeq };
}

const stepsArbitrary = fc.array(fc.constantFrom("append" as const, "append" as const, "change" as const), {
  maxLength: 60,
});

describe("the events after a rev", () => {
  it("are each there once, in order, from any rev on", () => {
    fc.assert(
      fc.property(stepsArbitrary, fc.nat(60), (steps, place) => {
        const { entries, changes, headSeq } = history(steps);
        const since = Math.min(place, steps.length);
        const before = changes.filter(({ rev }) => rev <= since);
        const after = changes.filter(({ rev }) => rev > since);
        const count = countThrough(before.at(-1) ?? null);
        expect(count).toBe(before.length);
        expect([...entriesAfter(since, count, after, headSeq)]).toEqual(entries.slice(since));
      }),
      { numRuns: 500 },
    );
  });

  it("are the same in pages, however often a reader stops and comes back", () => {
    fc.assert(
      fc.property(stepsArbitrary, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (steps, pieces) => {
        const { entries, changes, headSeq } = history(steps);
        const got: Entry[] = [];
        for (let piece = 0; got.length < entries.length; piece += 1) {
          const since = got.at(-1)?.rev ?? 0;
          const count = changes.filter(({ rev }) => rev <= since).length;
          const rest = changes.filter(({ rev }) => rev > since);
          const size = pieces[piece % pieces.length] ?? 1;
          got.push(...[...entriesAfter(since, count, rest, headSeq)].slice(0, size));
        }
        expect(got).toEqual(entries);
      }),
    );
  });

  it("do not need the first changes once a later one says how many there were", () => {
    const { entries, changes, headSeq } = history(["append", "change", "append", "change", "append", "append"]);
    const [, second] = changes;
    if (second === undefined) throw new Error("two changes");
    expect([...entriesAfter(3, countThrough(second) - 1, [second], headSeq)]).toEqual(entries.slice(3));
  });
});

describe("the first rev of an epoch", () => {
  it("is higher than any rev of an earlier epoch", () => {
    const first = Date.UTC(2026, 10, 22);
    // A hundred messages a millisecond are more than one thread can append.
    expect(revBaseOf(first + 1_000)).toBeGreaterThan(revBaseOf(first) + 100 * 1_000);
    expect(Number.isSafeInteger(revBaseOf(Date.UTC(2300, 0, 1)))).toBe(true);
  });

  it("is not negative if the clock was never set", () => {
    expect(revBaseOf(0)).toBe(0);
  });
});

describe("the window of a socket", () => {
  it("is full at 256 events, and has room again for as many as are acknowledged", () => {
    const window = new FeedWindow();
    let rev = 0;
    for (; window.hasRoom; rev += 1) window.add({ rev: rev + 1, bytes: 10 });
    expect(rev).toBe(MAX_UNACKNOWLEDGED_EVENTS);
    window.acknowledge(3);
    for (; window.hasRoom; rev += 1) window.add({ rev: rev + 1, bytes: 10 });
    expect(rev).toBe(MAX_UNACKNOWLEDGED_EVENTS + 3);
  });

  it("is full at 1 MiB, and accepts one larger event rather than none", () => {
    const window = new FeedWindow();
    window.add({ rev: 1, bytes: MAX_UNACKNOWLEDGED_BYTES - 1 });
    expect(window.hasRoom).toBe(true);
    window.add({ rev: 2, bytes: 300_000 });
    expect(window.hasRoom).toBe(false);
    window.acknowledge(1);
    expect(window.hasRoom).toBe(true);
  });

  it("is not moved by a late or repeated acknowledgement", () => {
    const window = new FeedWindow();
    for (let rev = 1; rev <= MAX_UNACKNOWLEDGED_EVENTS; rev += 1) window.add({ rev, bytes: 1 });
    window.acknowledge(0);
    expect(window.hasRoom).toBe(false);
    window.acknowledge(10);
    window.acknowledge(5);
    for (let rev = 0; rev < 10; rev += 1) window.add({ rev: MAX_UNACKNOWLEDGED_EVENTS + rev + 1, bytes: 1 });
    expect(window.hasRoom).toBe(false);
  });
});
