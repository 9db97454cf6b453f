import { describe, expect, it } from "vitest";
import type { NewMessage } from "../../src/api/message.ts";
import {
  billed,
  chatOf,
  creationOf,
  evictDurableObject,
  freshRef,
  letPass,
  pendingJobs,
  ring,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  until,
  unwrap,
} from "../support/session.ts";

const IDLE_MS = 1_800_000;

/** A message of about this many tokens. */
function long(tokens: number, id?: string): NewMessage {
  return said("word ".repeat(tokens), id);
}

function alarmOf(ref: SessionRef): Promise<number | null> {
  return runInDurableObject(stubAt(ref), (_, state) => state.storage.getAlarm());
}

async function summaryOf(ref: SessionRef) {
  return unwrap(await sessionAt(ref).state()).summary;
}

describe("a session that becomes silent", () => {
  it("is summarized except for its last four messages", async () => {
    const ref = await chatOf(12, { words: 120 });
    expect(await summaryOf(ref)).toBeNull();
    await letPass(ref, 2 * IDLE_MS);
    await runInDurableObject(stubAt(ref), (session) => session.alarm());
    await until("the summary lands", async () => (await summaryOf(ref)) !== null);
    expect(await summaryOf(ref)).toMatchObject({ throughSeq: 8 });
  });

  it("is left alone while fewer than 1,000 tokens are new, not counting the last four messages", async () => {
    const few = await chatOf(6, { words: 20 });
    const atTheEnd = freshRef();
    const messages = [said("one"), said("two"), long(400), long(400), long(400), long(400)];
    unwrap(await sessionAt(atTheEnd).append({ messages }, creationOf(atTheEnd)));
    for (const ref of [few, atTheEnd]) {
      await letPass(ref, 2 * IDLE_MS);
      await ring(ref);
      expect(await pendingJobs(ref)).toEqual([]);
    }
  });

  it("is checked up to a tenth later than its settings say, each session at another moment", async () => {
    const moments = new Set<number>();
    for (let index = 0; index < 5; index += 1) {
      const ref = await chatOf(12, { words: 120 });
      const { createdAt } = unwrap(await sessionAt(ref).message("turn-12"));
      const pause = Number(await alarmOf(ref)) - Date.parse(createdAt);
      expect(pause).toBeGreaterThanOrEqual(IDLE_MS);
      expect(pause).toBeLessThanOrEqual(1.1 * IDLE_MS + 1);
      moments.add(Math.round(pause / 1_000));
    }
    expect(moments.size).toBeGreaterThan(1);
  });

  it("is not summarized if somebody has spoken since, and checked again after the next silence", async () => {
    const ref = await chatOf(12, { words: 120 });
    await letPass(ref, 2 * IDLE_MS);
    unwrap(await sessionAt(ref).append({ messages: [said("still here", "here")] }, null));
    await ring(ref);
    expect(await pendingJobs(ref)).toEqual([]);
    const { createdAt } = unwrap(await sessionAt(ref).message("here"));
    expect(await alarmOf(ref)).toBeGreaterThanOrEqual(Date.parse(createdAt) + IDLE_MS);
  });

  it("is summarized once: a longer silence leads to no second summary", async () => {
    const ref = await chatOf(12, { words: 120 });
    await letPass(ref, 2 * IDLE_MS);
    await ring(ref);
    await until("the summary is archived", async () => {
      const { summary, archived } = unwrap(await sessionAt(ref).state());
      return summary !== null && archived;
    });
    await letPass(ref, 10 * IDLE_MS);
    await ring(ref);
    expect(await pendingJobs(ref)).toEqual([]);
    expect(await alarmOf(ref)).toBeNull();
  });

  it("is left alone if its settings are null", async () => {
    const ref = await chatOf(12, { words: 120, settings: { summarizeAfterIdleSeconds: null } });
    expect(await alarmOf(ref)).toBeNull();
    await letPass(ref, 100 * IDLE_MS);
    await ring(ref);
    expect(await pendingJobs(ref)).toEqual([]);
  });
});

describe("an append", () => {
  it("costs one row and no alarm, if an earlier one is set", async () => {
    const ref = await chatOf(12, { words: 120 });
    const before = await alarmOf(ref);
    for (let number = 13; number <= 15; number += 1) {
      const cost = await billed(ref, (session) => session.append({ messages: [turn(number)] }, null));
      expect(cost).toEqual({ rows: 1, alarms: 0 });
    }
    const withoutId = await billed(ref, (session) => session.append({ messages: [said("no id")] }, null));
    expect(withoutId).toEqual({ rows: 1, alarms: 0 });
    expect(await alarmOf(ref)).toBe(before);
  });

  it("sets one alarm when enough is new for a summary after a silence, and none before", async () => {
    const ref = freshRef();
    unwrap(await sessionAt(ref).append({ messages: [said("hello")] }, creationOf(ref)));
    expect(await alarmOf(ref)).toBeNull();
    const cost = await billed(ref, (session) => session.append({ messages: [long(1_200)] }, null));
    expect(cost).toEqual({ rows: 1, alarms: 1 });
    const next = await billed(ref, (session) => session.append({ messages: [long(1_200)] }, null));
    expect(next).toEqual({ rows: 1, alarms: 0 });
  });

  it("does not delay pending work after a refused append", async () => {
    const ref = await chatOf(12, { words: 120 });
    const [refused, ringsAt, due] = await runInDurableObject(stubAt(ref), async (session, state) => {
      const pending = session.summarize({ keepRecentTokens: 0 });
      const conflict = session.append({ messages: [said("other words", "turn-1")] }, null);
      const append = session.append({ messages: [turn(13)] }, null);
      const alarm = await state.storage.getAlarm();
      await state.storage.deleteAlarm();
      unwrap(await pending);
      unwrap(await append);
      const [job] = state.storage.sql.exec("SELECT next_send_at FROM jobs").toArray();
      return [await conflict, alarm, Number(job?.["next_send_at"])] as const;
    });
    expect(refused).toMatchObject({ fault: { code: "message_conflict" } });
    expect(ringsAt).toBeLessThan(due + 60_000);
  });

  it("sets the alarm again if there was none after an eviction", async () => {
    const ref = await chatOf(12, { words: 120 });
    await runInDurableObject(stubAt(ref), (_, state) => state.storage.deleteAlarm());
    await evictDurableObject(stubAt(ref));
    unwrap(await sessionAt(ref).append({ messages: [turn(13)] }, null));
    expect(await alarmOf(ref)).toBeGreaterThan(Date.now());
  });
});
