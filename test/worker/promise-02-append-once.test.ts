import { describe, expect, it } from "vitest";
import type { NewMessage } from "../../src/api/message.ts";
import { creationOf, freshRef, said, sessionAt, unwrap } from "../support/session.ts";

describe("promise 2: append once", () => {
  it("stores a repeated id once and answers with the same seq", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    await session.append({ messages: [said("first", "a")] }, creationOf(ref));
    const again = unwrap(await session.append({ messages: [said("first", "a"), said("second", "b")] }, null));
    expect(again).toEqual({
      headSeq: 2,
      messages: [
        { id: "a", seq: 1, created: false },
        { id: "b", seq: 2, created: true },
      ],
    });
  });

  it("stores an id once that many append at the same time", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    const appends = await Promise.all(
      Array.from({ length: 20 }, () => session.append({ messages: [said("same", "same")] }, creationOf(ref))),
    );
    const answers = appends.map((append) => unwrap(append).messages[0]);
    expect(new Set(answers.map((answer) => answer?.seq))).toEqual(new Set([1]));
    expect(answers.filter((answer) => answer?.created)).toHaveLength(1);
    expect(unwrap(await session.state()).headSeq).toBe(1);
  });

  it.each<[string, NewMessage]>([
    ["content", { id: "a", role: "user", content: "other" }],
    ["role", { id: "a", role: "assistant", content: "first" }],
    ["author", { id: "a", role: "user", author: "Ada", content: "first" }],
    ["time", { id: "a", role: "user", content: "first", occurredAt: "2026-01-01T00:00:00Z" }],
  ])("refuses the same id with another %s as a conflict, and changes nothing", async (_, other) => {
    const ref = freshRef();
    const session = sessionAt(ref);
    await session.append({ messages: [said("first", "a")] }, creationOf(ref));
    const conflict = await session.append({ messages: [other] }, null);
    expect(conflict).toMatchObject({
      ok: false,
      fault: { code: "message_conflict", facts: { seq: 1 }, errors: [{ path: "/messages/0/id" }] },
    });
    expect(unwrap(await session.messages({ limit: 5 })).data).toMatchObject([{ content: "first" }]);
  });

  it("treats the same parts with another order of keys as the same", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    const call = { type: "tool-call", toolCallId: "c", toolName: "find" } as const;
    const append = (input: { [key: string]: number }) =>
      session.append({ messages: [{ id: "a", role: "assistant", content: [{ ...call, input }] }] }, creationOf(ref));
    await append({ x: 1, y: 2 });
    expect(unwrap(await append({ y: 2, x: 1 })).messages).toMatchObject([{ created: false }]);
  });

  it("checks the expected head after deduplication, so that a lost answer can be requested again", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    const request = { messages: [said("first", "a")], expectedHeadSeq: 0 };
    await session.append(request, creationOf(ref));
    expect(unwrap(await session.append(request, null)).messages).toEqual([{ id: "a", seq: 1, created: false }]);
  });

  it("gives ids that can be read and appended again, and refuses invented ones of that form", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    await session.append({ messages: [said("first")] }, creationOf(ref));
    expect(unwrap(await session.message("seq-1")).content).toBe("first");
    expect(unwrap(await session.append({ messages: [said("first", "seq-1")] }, null))).toEqual({
      headSeq: 1,
      messages: [{ id: "seq-1", seq: 1, created: false }],
    });
    expect(await session.append({ messages: [said("other", "seq-1")] }, null)).toMatchObject({
      fault: { code: "message_conflict" },
    });
    expect(await session.append({ messages: [said("x", "seq-7")] }, null)).toMatchObject({
      fault: { code: "validation_failed" },
    });
  });
});
