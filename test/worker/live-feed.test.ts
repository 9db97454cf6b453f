import { describe, expect, it, vi } from "vitest";
import {
  MAX_FAN_OUTS,
  MAX_OWN_SOCKETS,
  MAX_SOCKETS_PER_FAN_OUT,
  MAX_UNACKNOWLEDGED_EVENTS,
} from "../../src/api/limits.ts";
import type { ErrorFrame, Hello } from "../../src/api/live.ts";
import { FanOut } from "../../src/session/fan-out.ts";
import { Tables } from "../../src/session/sqlite/tables.ts";
import {
  askLive,
  chatOf,
  creationOf,
  eventsOf,
  evictDurableObject,
  follow,
  forkOf,
  freshRef,
  letPass,
  type LiveClient,
  revsOf,
  ring,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  until,
  unwrap,
} from "../support/session.ts";

const isHello = ({ type }: { type: string }): boolean => type === "hello";
const helloOf = (client: LiveClient): Promise<Hello> => client.find<Hello>("hello", isHello);

async function append(ref: SessionRef, ...texts: string[]): Promise<void> {
  unwrap(await sessionAt(ref).append({ messages: texts.map((text) => said(text)) }, null));
}

/** All events from the first one on, for a client that acknowledges everything. */
async function replay(ref: SessionRef, count: number): Promise<LiveClient> {
  const client = await follow(ref, 0);
  client.socket.addEventListener("message", ({ data }) => {
    const frame: { type: string; rev?: number } = JSON.parse(String(data));
    if (!isHello(frame) && frame.rev !== undefined) client.send({ type: "ack", rev: frame.rev });
  });
  await until(`${count} events`, async () => eventsOf(client).length >= count);
  return client;
}

describe("a live feed", () => {
  it("sends hello, then each change with the next rev", async () => {
    const ref = await chatOf(2);
    const client = await follow(ref);
    const hello = await helloOf(client);
    expect(hello).toMatchObject({ type: "hello", headSeq: 2, rev: hello.since });
    const session = sessionAt(ref);
    unwrap(await session.append({ messages: [said("three", "m3"), said("four", "m4")] }, null));
    unwrap(await session.editMessage("m3", { content: "three, mended" }));
    unwrap(await session.eraseMessage("m4"));
    await until("all came", async () => eventsOf(client).length >= 4);
    expect(eventsOf(client)).toMatchObject([
      { type: "appended", rev: hello.rev + 1, message: { id: "m3", seq: 3, content: "three" } },
      { type: "appended", rev: hello.rev + 2, message: { id: "m4", seq: 4, content: "four" } },
      { type: "edited", rev: hello.rev + 3, message: { id: "m3", content: "three, mended" } },
      { type: "erased", rev: hello.rev + 4, seq: 4, throughSeq: 4, id: "m4" },
    ]);
  });

  it("reports a summary that is stored, and one that is given up", async () => {
    const ref = await chatOf(8);
    const client = await follow(ref);
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("no call");
    const items = [{ kind: "fact", text: "Turn 1", sourceSeqs: [1], status: "current" }] as const;
    const answer = { model: "test", items: items.map((item) => ({ ...item, sourceSeqs: [...item.sourceSeqs] })) };
    await sessionAt(ref).saveAnswer(jobId, epoch, step.lease, answer);
    await append(ref, ...Array.from({ length: 8 }, (_, index) => `more ${index}`));
    const next = await scheduleSummary(ref);
    for (let failure = 0; failure < 20; failure += 1) {
      await sessionAt(ref).noteFailure(next.jobId, next.epoch, { reason: "away" });
    }
    await client.find("it was given up", ({ type }) => type === "summaryFailed");
    expect(eventsOf(client)[0]).toMatchObject({ type: "summarized", version: 1, throughSeq: 4, degraded: false });
    expect(eventsOf(client).at(-1)).toMatchObject({ type: "summaryFailed", throughSeq: 12 });
    expect(revsOf(client)).toEqual(revsOf(client).map((_, place) => (revsOf(client)[0] ?? 0) + place));
  });

  it("reports nothing for a request that was refused, rolled back, repeated or changed nothing", async () => {
    const ref = await chatOf(2);
    const client = await follow(ref);
    const session = sessionAt(ref);
    await session.append({ messages: [said("never"), said("other words", "turn-1")] }, null);
    await session.append({ messages: [said("late")], expectedHeadSeq: 1 }, null);
    await session.append({ messages: [turn(1)] }, null);
    await session.editMessage("no such message", { content: "x" });
    unwrap(await session.eraseMessage("turn-2"));
    unwrap(await session.eraseMessage("turn-2"));
    await append(ref, "the end");
    await client.find("the end", (frame) => frame.type === "appended");
    expect(eventsOf(client)).toMatchObject([
      { type: "erased", seq: 2 },
      { type: "appended", message: { content: "the end" } },
    ]);
  });

  it("never sends erased content again, and sends an edited message as it is now", async () => {
    const ref = await chatOf(1);
    unwrap(await sessionAt(ref).append({ messages: [said("the secret", "a"), said("first words", "b")] }, null));
    unwrap(await sessionAt(ref).editMessage("b", { content: "last words" }));
    unwrap(await sessionAt(ref).eraseMessage("a"));
    const client = await replay(ref, 5);
    expect(JSON.stringify(client.frames)).not.toMatch(/the secret|first words/);
    expect(eventsOf(client)).toMatchObject([
      { type: "appended", message: { seq: 1 } },
      { type: "appended", message: { id: "a", erased: true, content: "" } },
      { type: "appended", message: { id: "b", content: "last words" } },
      { type: "edited", message: { id: "b", content: "last words" } },
      { type: "erased", id: "a" },
    ]);
  });

  it("reports a range of erased messages as one event", async () => {
    const source = await chatOf(12);
    const fork = await forkOf(source);
    const client = await follow(fork);
    await helloOf(client);
    unwrap(await sessionAt(source).erase());
    await client.find("the erasure comes along", ({ type }) => type === "erased");
    expect(eventsOf(client)).toMatchObject([{ type: "erased", seq: 1, throughSeq: 12 }]);
  });

  it("writes no row for an append, a hello or a replay", async () => {
    const ref = await chatOf(3);
    const client = await follow(ref, 0);
    await helloOf(client);
    await runInDurableObject(stubAt(ref), (_, state) => {
      const changes = new Tables(state.storage.sql).group("changes");
      expect(changes.exec("SELECT 1 FROM changes").toArray()).toEqual([]);
    });
  });
});

describe("a resumed feed", () => {
  it("begins after the given rev, and at the first message for 0", async () => {
    const ref = await chatOf(5);
    const all = await replay(ref, 5);
    const [first, second] = revsOf(all);
    const client = await follow(ref, second);
    await until("the rest came", async () => eventsOf(client).length >= 3);
    expect(revsOf(client)).toEqual(revsOf(all).slice(2));
    expect(await helloOf(client)).toMatchObject({ since: second, headSeq: 5 });
    expect(first).toBe((second ?? 0) - 1);
  });

  it("is told to start over for a rev of an earlier epoch, of the future, or from before what is remembered", async () => {
    const ref = await chatOf(5);
    const before = await follow(ref);
    const { rev } = await helloOf(before);
    unwrap(await sessionAt(ref).erase());
    unwrap(await sessionAt(ref).append({ messages: Array.from({ length: 9 }, (_, at) => turn(at)) }, creationOf(ref)));
    const later = await follow(ref, rev);
    const hello = await helloOf(later);
    expect(hello).toMatchObject({ reset: true, headSeq: 9, since: hello.rev });
    expect(hello.rev).toBeGreaterThan(rev);
    expect(await helloOf(await follow(ref, hello.rev + 1))).toMatchObject({ reset: true, since: hello.rev });

    for (const content of ["a", "b", "c"]) unwrap(await sessionAt(ref).editMessage("turn-1", { content }));
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("DELETE FROM changes WHERE rev - head_seq <= 2");
    });
    expect(await helloOf(await follow(ref, hello.rev))).toMatchObject({ reset: true, since: hello.rev + 3 });
    const known = await follow(ref, hello.rev + 2);
    await until("the last edit", async () => eventsOf(known).length > 0);
    expect(eventsOf(known)).toMatchObject([{ type: "edited", rev: hello.rev + 3, message: { content: "c" } }]);
  });

  it("continues after an eviction where it was", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    await append(ref, "before");
    await evictDurableObject(stubAt(ref));
    await append(ref, "after");
    await until("both came", async () => eventsOf(client).length >= 2);
    expect(eventsOf(client)).toMatchObject([{ message: { content: "before" } }, { message: { content: "after" } }]);
    expect(client.closed()).toBeNull();
  });

  it("answers a ping without being woken", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    let pongs = 0;
    client.socket.addEventListener("message", ({ data }) => {
      if (data === "pong") pongs += 1;
    });
    await evictDurableObject(stubAt(ref));
    client.send("ping");
    await until("pong", async () => pongs === 1);
    // Only a running object can be evicted.
    await expect(evictDurableObject(stubAt(ref))).rejects.toThrow("not currently running");
  });
});

describe("a reader that does not acknowledge", () => {
  it("is paused after 256 events, affects nobody, and continues from the log after an eviction", async () => {
    const ref = await chatOf(1);
    const [slow, quick] = [await follow(ref), await follow(ref)];
    quick.socket.addEventListener("message", ({ data }) => {
      const { rev, type }: { rev: number; type: string } = JSON.parse(String(data));
      if (type === "appended") quick.send({ type: "ack", rev });
    });
    const { rev } = await helloOf(slow);
    const total = 3 * 100;
    for (let batch = 0; batch < 3; batch += 1) {
      const texts = Array.from({ length: 100 }, (_, index) => `message ${batch * 100 + index}`);
      await append(ref, ...texts);
    }
    await until("the quick one has all", async () => eventsOf(quick).length === total);
    await until("the slow one is full", async () => eventsOf(slow).length === MAX_UNACKNOWLEDGED_EVENTS);
    await evictDurableObject(stubAt(ref));
    await append(ref, "one more");
    await until("the quick one has it", async () => eventsOf(quick).length === total + 1);
    expect(eventsOf(slow)).toHaveLength(MAX_UNACKNOWLEDGED_EVENTS);
    slow.send({ type: "ack", rev: rev + 10 });
    await until("ten more", async () => eventsOf(slow).length === MAX_UNACKNOWLEDGED_EVENTS + 10);
    slow.send({ type: "ack", rev: rev + MAX_UNACKNOWLEDGED_EVENTS });
    await until("all", async () => eventsOf(slow).length === total + 1);
    for (const client of [slow, quick]) {
      expect(revsOf(client)).toEqual(Array.from({ length: total + 1 }, (_, index) => rev + index + 1));
    }
  });

  it("is paused after 1 MiB, also after an eviction", async () => {
    // A summary would be one more counted event.
    const ref = await chatOf(1, { settings: { summarizeAfterTokens: 1_000_000 } });
    const client = await follow(ref);
    const { rev } = await helloOf(client);
    const large = "x".repeat(200_000);
    for (let count = 0; count < 4; count += 1) await append(ref, large);
    await until("four", async () => eventsOf(client).length === 4);
    await evictDurableObject(stubAt(ref));
    for (let count = 0; count < 6; count += 1) await append(ref, large);
    await until("six: one over 1 MiB", async () => eventsOf(client).length === 6);
    client.send({ type: "context", id: "after all that was sent", format: "text" });
    await client.find("the answer", ({ type }) => type === "answer");
    expect(eventsOf(client)).toHaveLength(6);
    client.send({ type: "ack", rev: rev + 6 });
    // The requested context leaves messages out, and so makes a summary due, which is reported after them.
    await until("the rest", async () => eventsOf(client).length >= 10);
    expect(revsOf(client).slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, index) => rev + index + 1));
  });

  it("is told to start over if what it waits for is forgotten meanwhile", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    const { rev } = await helloOf(client);
    for (let batch = 0; batch < 3; batch += 1) await append(ref, ...Array.from({ length: 100 }, () => "x"));
    await until("it is full", async () => eventsOf(client).length === MAX_UNACKNOWLEDGED_EVENTS);
    for (const content of ["a", "b", "c"]) unwrap(await sessionAt(ref).editMessage("turn-1", { content }));
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("DELETE FROM changes WHERE rev - head_seq <= 2");
    });
    client.send({ type: "ack", rev: rev + 1 });
    const hello = await client.find<Hello>("a second hello", (frame) => frame.type === "hello" && frame.reset === true);
    expect(hello).toMatchObject({ rev: rev + 303, since: rev + 303 });
    await append(ref, "from here on");
    await until("the next", async () => revsOf(client).at(-1) === rev + 304);
  });
});

describe("a feed that ends", () => {
  it.each([1000, 3001])("answers a client's close with its own code, %i", async (code) => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    await evictDurableObject(stubAt(ref));
    client.socket.close(code);
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code });
  });

  it("reports that the session was erased, and closes with 4404, also if the id is created again at once", async () => {
    const ref = await chatOf(2);
    const client = await follow(ref);
    const before = await helloOf(client);
    const session = sessionAt(ref);
    const erased = session.erase();
    const begun = session.append({ messages: [said("of another epoch")] }, creationOf(ref));
    unwrap(await erased);
    unwrap(await begun);
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4404 });
    expect(JSON.stringify(client.frames)).not.toContain("of another epoch");
    const next = await follow(ref);
    expect((await helloOf(next)).headSeq).toBe(1);
    expect((await helloOf(next)).rev).toBeGreaterThan(before.rev);
    const resumed = await follow(ref, before.rev);
    expect(await helloOf(resumed)).toMatchObject({ reset: true, headSeq: 1 });
  });

  it("reports that the session was erased, and closes with 4404", async () => {
    const ref = await chatOf(2);
    const client = await follow(ref);
    await helloOf(client);
    unwrap(await sessionAt(ref).erase());
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4404 });
    const { error } = await client.find<ErrorFrame>("why", ({ type }) => type === "error");
    expect(error).toMatchObject({ code: "session_not_found" });
    expect((await askLive(ref)).status).toBe(404);
  });

  it("reports that the session expired, and closes with 4410", async () => {
    const ref = await chatOf(8, { settings: { expireAfterIdleSeconds: 60, summarizeAfterIdleSeconds: null } });
    const client = await follow(ref);
    const { rev } = await helloOf(client);
    await letPass(ref, 120_000);
    await until("it is closed", async () => {
      await ring(ref);
      return client.closed() !== null;
    });
    expect(client.closed()).toMatchObject({ code: 4410 });
    expect(eventsOf(client)).toMatchObject([
      { type: "summarized", rev: rev + 1 },
      { type: "expired", rev: rev + 2 },
    ]);
    expect((await askLive(ref)).status).toBe(410);
  });
});

describe("opening a live feed", () => {
  it("is refused for a stranger, without a key, and for a session that does not exist, and leaves no row", async () => {
    const ref = await chatOf(1);
    const key = { authorization: "Bearer tk_test_api_key_0123456789" };
    const stranger = await askLive(ref, "", { ...key, "threadkeep-user": "mallory" });
    expect(stranger.status).toBe(404);
    expect((await askLive(ref, "", {})).status).toBe(401);
    const unknown = freshRef();
    expect((await askLive(unknown, "?since=5")).status).toBe(404);
    const tables = await runInDurableObject(stubAt(unknown), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("ignores a client's headers that the service itself uses", async () => {
    const ref = await chatOf(1);
    const forged = encodeURIComponent(JSON.stringify({ since: null, scopes: ["memory:read"], ticket: null }));
    expect((await askLive(ref, "", { "threadkeep-live-opening": forged })).status).toBe(401);
    expect((await askLive(ref, "?since=-1")).status).toBe(422);
    expect((await askLive(ref, "?since=soon")).status).toBe(422);
    expect((await askLive(ref, "?sinse=1")).status).toBe(422);
  });

  it(`works for ${MAX_OWN_SOCKETS} sockets and those of the fan-out objects, and one more is told when to come back, until one is closed`, async () => {
    const ref = await chatOf(1);
    const clients: LiveClient[] = [];
    for (let count = 0; count < MAX_OWN_SOCKETS; count += 1) clients.push(await follow(ref));
    // As if every fan-out object were full.
    await runInDurableObject(stubAt(ref), (_, { storage }) =>
      storage.sql.exec("UPDATE session SET fan_outs = ?", 2 ** MAX_FAN_OUTS - 1),
    );
    await evictDurableObject(stubAt(ref));
    const counted = vi.spyOn(FanOut.prototype, "count").mockResolvedValue(MAX_SOCKETS_PER_FAN_OUT);
    const refused = await askLive(ref);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("30");
    expect(await refused.json()).toMatchObject({ code: "too_many_sockets" });
    expect(counted).toHaveBeenCalledTimes(MAX_FAN_OUTS);
    counted.mockRestore();
    await append(ref, "to all");
    for (const client of clients) await until("it came", async () => eventsOf(client).length === 1);
    clients[0]?.socket.close(1000);
    await until("there is room again", async () => (await askLive(ref)).status === 101);
  });
});
