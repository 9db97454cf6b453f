import { describe, expect, it } from "vitest";
import { MAX_FAULTY_FRAMES, MAX_FRAME_BURST, MAX_FRAME_BYTES } from "../../src/api/limits.ts";
import type { AnswerFrame, ErrorFrame, Hello, ServerFrame } from "../../src/api/live.ts";
import {
  chatOf,
  eventsOf,
  evictDurableObject,
  follow,
  type LiveClient,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
} from "../support/session.ts";

async function connected(ref: SessionRef): Promise<LiveClient> {
  const client = await follow(ref);
  await client.find("hello", ({ type }) => type === "hello");
  return client;
}

const errorsOf = (client: LiveClient): ErrorFrame[] =>
  client.frames.filter((frame): frame is ErrorFrame => frame.type === "error");

/** The answer to a frame. */
async function ask(
  client: LiveClient,
  frame: { readonly id: string; readonly [name: string]: unknown },
): Promise<AnswerFrame | ErrorFrame> {
  client.send(frame);
  const fits = (answer: ServerFrame): boolean => "id" in answer && answer.id === frame.id && answer.type !== "erased";
  return client.find<AnswerFrame | ErrorFrame>(`the answer to ${frame.id}`, fits);
}

const say = (id: string, content: string, more: object = {}) => ({
  type: "append",
  id,
  messages: [{ id: `of-${id}`, role: "user", content }],
  ...more,
});

describe("a frame", () => {
  it("appends like a request over HTTP: once, in order, and everybody is informed", async () => {
    const ref = await chatOf(2);
    const [client, other] = [await connected(ref), await connected(ref)];
    const first = await ask(client, say("f1", "by socket", { context: { format: "text" }, expectedHeadSeq: 2 }));
    expect(first).toMatchObject({
      type: "answer",
      id: "f1",
      result: { headSeq: 3, messages: [{ id: "of-f1", seq: 3, created: true }] },
    });
    expect(JSON.stringify(first)).toContain("[user] by socket");
    const again = await ask(client, { ...say("f2", "by socket"), messages: say("f1", "by socket").messages });
    expect(again).toMatchObject({ result: { messages: [{ id: "of-f1", seq: 3, created: false }] } });
    await until("the other one is told", async () => eventsOf(other).length === 1);
    expect(eventsOf(client)).toEqual(eventsOf(other));
    expect(eventsOf(other)).toMatchObject([{ type: "appended", message: { seq: 3, content: "by socket" } }]);
  });

  it("reads the context like a request over HTTP", async () => {
    const ref = await chatOf(2);
    const client = await connected(ref);
    const answer = await ask(client, { type: "context", id: "c1", maxTokens: 1_000 });
    expect(answer).toMatchObject({ result: { headSeq: 2, messages: [{ seq: 1 }, { seq: 2 }], omitted: [] } });
  });

  it("is refused with the same problems as a request over HTTP", async () => {
    const ref = await chatOf(2);
    const client = await connected(ref);
    expect(
      await ask(client, { ...say("e1", "x"), messages: [{ id: "turn-1", role: "user", content: "x" }] }),
    ).toMatchObject({
      type: "error",
      error: {
        code: "message_conflict",
        status: 409,
        errors: [{ path: "/messages/0/id" }],
        requestId: expect.any(String),
      },
    });
    expect(await ask(client, say("e2", "x", { expectedHeadSeq: 7 }))).toMatchObject({
      error: { code: "head_seq_mismatch", headSeq: 2 },
    });
    expect(await ask(client, { type: "append", id: "e4", messages: [{ role: "king" }], more: 1 })).toMatchObject({
      error: {
        code: "validation_failed",
        errors: expect.arrayContaining([
          { path: "/messages/0/role", detail: expect.stringContaining("must be one of") },
          { path: "/more", detail: "is not a known property" },
        ]),
      },
    });
    expect(await ask(client, { type: "context", id: "e5", maxTokens: 1 })).toMatchObject({
      error: { code: "validation_failed", errors: [{ path: "/maxTokens" }] },
    });
    expect((await sessionAt(ref).state()).ok).toBe(true);
    expect(eventsOf(client)).toEqual([]);
    expect(client.closed()).toBeNull();
  });
});

describe("a hostile frame", () => {
  it.each([
    ["no JSON", "{", "malformed_json"],
    ["no object", "[1,2]", "validation_failed"],
    ["null", "null", "validation_failed"],
    ["of no type", "{}", "validation_failed"],
    ["of a type that there is not", '{"type":"erase","id":"x"}', "validation_failed"],
    ["without an id", '{"type":"context"}', "validation_failed"],
    ["with an id that is too long", JSON.stringify({ type: "context", id: "x".repeat(129) }), "validation_failed"],
    [
      "with NUL",
      String.raw`{"type":"append","id":"x","messages":[{"role":"user","author":"\u0000","content":"x"}]}`,
      "validation_failed",
    ],
    ["an ack of nothing", '{"type":"ack"}', "validation_failed"],
    ["an ack of what was never sent", '{"type":"ack","rev":9007199254740991}', "validation_failed"],
    ["an ack of a fraction", '{"type":"ack","rev":1.5}', "validation_failed"],
    [
      "nested deep",
      `{"type":"append","id":"x","messages":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
      "validation_failed",
    ],
  ])("is told what is wrong with it: %s", async (_name, frame, code) => {
    const client = await connected(await chatOf(1));
    client.send(frame);
    await until("an error", async () => errorsOf(client).length === 1);
    expect(errorsOf(client)[0]).toMatchObject({ error: { code } });
    expect(await ask(client, { type: "context", id: "next" })).toMatchObject({ type: "answer" });
    expect(client.closed()).toBeNull();
  });

  it("that is binary is refused, and closes with 1003", async () => {
    const client = await connected(await chatOf(1));
    client.socket.send(new Uint8Array([1, 2, 3]));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 1003 });
    expect(errorsOf(client)).toMatchObject([{ error: { code: "unsupported_media_type" } }]);
  });

  it("that is larger than 1 MiB is refused, and closes with 1009", async () => {
    const ref = await chatOf(1);
    const client = await connected(ref);
    // Two bytes a letter: bytes count, not characters.
    client.send(say("large", "é".repeat(MAX_FRAME_BYTES / 2)));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 1009 });
    expect(errorsOf(client)).toMatchObject([{ error: { code: "frame_too_large" } }]);
  });

  it(`closes with 1008 at the ${MAX_FAULTY_FRAMES}th in a row; a valid one resets the count`, async () => {
    const client = await connected(await chatOf(1));
    for (let count = 1; count < MAX_FAULTY_FRAMES; count += 1) client.send("{");
    expect(await ask(client, { type: "context", id: "sound" })).toMatchObject({ type: "answer" });
    for (let count = 1; count < MAX_FAULTY_FRAMES; count += 1) client.send("{");
    expect(await ask(client, { type: "context", id: "still there" })).toMatchObject({ type: "answer" });
    for (let count = 1; count <= MAX_FAULTY_FRAMES; count += 1) client.send("{");
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 1008 });
  });

  it("that is one of too many closes with 1008, and affects nobody else", async () => {
    const ref = await chatOf(1);
    const [client, other] = [await connected(ref), await connected(ref)];
    await until("it is closed", async () => {
      // A busy machine reads them so slowly that the first are not too many.
      for (let count = 0; count < 4 * MAX_FRAME_BURST && client.closed() === null; count += 1) {
        client.send('{"type":"ack","rev":0}');
      }
      return client.closed() !== null;
    });
    expect(client.closed()).toMatchObject({ code: 1008 });
    expect(errorsOf(client)).toMatchObject([{ error: { code: "too_many_frames" } }]);
    expect(await ask(other, say("fine", "still here"))).toMatchObject({ type: "answer" });
  });

  it("is not an acknowledgement, however many come at once", async () => {
    const ref = await chatOf(1);
    const client = await connected(ref);
    client.socket.addEventListener("message", ({ data }) => {
      const frame: { type: string; rev?: number } = JSON.parse(String(data));
      if (frame.type === "appended") client.send({ type: "ack", rev: frame.rev });
    });
    for (let batch = 0; batch < 8; batch += 1) {
      const messages = Array.from({ length: 100 }, () => ({ role: "user" as const, content: "x" }));
      await sessionAt(ref).append({ messages }, null);
    }
    await until("all came", async () => eventsOf(client).length === 800);
    expect(client.closed()).toBeNull();
  });
});

describe("a socket whose credentials have ended", () => {
  it("receives no later event, and is closed with 4401", async () => {
    const ref = await chatOf(1);
    const client = await connected(ref);
    const hello = await client.find<Hello>("hello", ({ type }) => type === "hello");
    await runInDurableObject(stubAt(ref), (_, state) => {
      for (const socket of state.getWebSockets()) {
        socket.serializeAttachment({ ...socket.deserializeAttachment(), until: Date.now() - 1 });
      }
    });
    await evictDurableObject(stubAt(ref));
    await sessionAt(ref).append({ messages: [{ role: "user", content: "not for you" }] }, null);
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4401 });
    expect(eventsOf(client)).toEqual([]);
    const next = await follow(ref, hello.rev);
    await until("it resumes with new ones", async () => eventsOf(next).length === 1);
  });

  it("is closed so that it resumes, instead of being left without events, if its attachment cannot be read", async () => {
    const ref = await chatOf(1);
    const client = await connected(ref);
    await runInDurableObject(stubAt(ref), (_, state) => {
      for (const socket of state.getWebSockets()) socket.serializeAttachment({ v: 99 });
    });
    await evictDurableObject(stubAt(ref));
    await sessionAt(ref).state();
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 1011 });
  });
});
