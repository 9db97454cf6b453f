import { describe, expect, it } from "vitest";
import type { ServerFrame } from "../../src/api/live.ts";
import {
  askLive,
  chatOf,
  eventsOf,
  evictDurableObject,
  follow,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

interface StreamedEvent {
  readonly id: number | undefined;
  readonly frame: ServerFrame;
}

/** A reader of server-sent events that reads only as many as the test asks for. */
async function stream(ref: SessionRef, query = "", headers: Record<string, string> = {}) {
  const response = await askLive(ref, query, {
    authorization: `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_API_KEY}`,
    Upgrade: "",
    accept: "text/event-stream",
    ...headers,
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
  if (reader === undefined) throw new Error("no body");
  const decoder = new TextDecoder();
  let rest = "";
  return {
    async take(count: number): Promise<StreamedEvent[]> {
      const events: StreamedEvent[] = [];
      while (events.length < count) {
        const end = rest.indexOf("\n\n");
        if (end === -1) {
          const { done, value } = await reader.read();
          if (done) throw new Error(`the stream ended after ${events.length} events`);
          rest += decoder.decode(value, { stream: true });
          continue;
        }
        const lines = rest.slice(0, end).split("\n");
        rest = rest.slice(end + 2);
        const data = lines.find((line) => line.startsWith("data: "))?.slice("data: ".length);
        const id = lines.find((line) => line.startsWith("id: "))?.slice("id: ".length);
        if (data !== undefined) events.push({ id: id === undefined ? undefined : Number(id), frame: JSON.parse(data) });
      }
      return events;
    },
    isOver: async () => (await reader.read()).done,
    cancel: () => reader.cancel(),
  };
}

describe("server-sent events", () => {
  it("are the same events in the same order as on a WebSocket, each with its rev as id", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref, 0);
    const events = await stream(ref, "?since=0");
    unwrap(await sessionAt(ref).append({ messages: [said("two\nlines", "m2")] }, null));
    unwrap(await sessionAt(ref).editMessage("m2", { content: "one line" }));
    unwrap(await sessionAt(ref).eraseMessage("turn-1"));
    await until("the socket has all", async () => eventsOf(client).length === 4);
    const [hello, ...rest] = await events.take(5);
    expect(hello?.frame).toMatchObject({ type: "hello", since: hello?.id });
    const byRev = new Map(eventsOf(client).map((event) => [event.rev, event]));
    expect(rest.map(({ id }) => id)).toEqual([...byRev.keys()]);
    expect(rest.map(({ frame }) => frame.type)).toEqual(["appended", "appended", "edited", "erased"]);
    await events.cancel();
  });

  it("resume by Last-Event-ID, which takes precedence over since, even if only hello was received", async () => {
    const ref = await chatOf(5);
    const first = await stream(ref, "?since=0");
    const [hello, one, two] = await first.take(3);
    await first.cancel();
    const second = await stream(ref, "?since=0", { "last-event-id": String(two?.id) });
    const [, three] = await second.take(2);
    expect(three?.id).toBe((two?.id ?? 0) + 1);
    await second.cancel();
    const third = await stream(ref, "", { "last-event-id": String(hello?.id) });
    expect((await third.take(2))[1]).toEqual(one);
    await third.cancel();
  });

  it("wait in the log, not in memory, while nobody reads them", async () => {
    const ref = await chatOf(1);
    const events = await stream(ref);
    await events.take(1);
    for (let batch = 0; batch < 10; batch += 1) {
      const messages = Array.from({ length: 100 }, (_, index) => said(`message ${batch * 100 + index}`));
      unwrap(await sessionAt(ref).append({ messages }, null));
    }
    // It is paused, and what it was sent is stored.
    expect(await attachmentsOf(ref)).toMatchObject([{ sent: expect.any(Number) }]);
    const taken = await events.take(1_000);
    const [first] = taken;
    expect(taken.map(({ id }) => id)).toEqual(taken.map((_, place) => (first?.id ?? 0) + place));
    await events.cancel();
  });

  it("continue after an eviction", async () => {
    const ref = await chatOf(1);
    const events = await stream(ref);
    await events.take(1);
    await evictDurableObject(stubAt(ref));
    unwrap(await sessionAt(ref).append({ messages: [said("after")] }, null));
    expect((await events.take(1))[0]?.frame).toMatchObject({ type: "appended", message: { content: "after" } });
    await events.cancel();
  });

  it("leave no socket behind when the client disconnects, and end when the session is erased", async () => {
    const ref = await chatOf(1);
    const [leaving, staying] = [await stream(ref), await stream(ref)];
    await Promise.all([leaving.take(1), staying.take(1)]);
    await leaving.cancel();
    await until("one is left", async () => (await attachmentsOf(ref)).length === 1);
    unwrap(await sessionAt(ref).erase());
    expect((await staying.take(1))[0]?.frame).toMatchObject({ type: "error", error: { code: "session_not_found" } });
    expect(await staying.isOver()).toBe(true);
  });

  it("are offered next to a WebSocket: a request for neither is told of both", async () => {
    const ref = await chatOf(1);
    const answer = await askLive(ref, "", {
      authorization: `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_API_KEY}`,
      Upgrade: "",
    });
    expect(answer.status).toBe(426);
    expect(await answer.json()).toMatchObject({ code: "upgrade_required" });
  });
});

function attachmentsOf(ref: SessionRef): Promise<unknown[]> {
  return runInDurableObject(stubAt(ref), (_, state) =>
    state.getWebSockets().map((socket) => socket.deserializeAttachment()),
  );
}
