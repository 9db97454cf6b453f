import { expect, it } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../src/api/limits.ts";
import { newId, said, turns, untyped } from "./contract-turns.ts";
import type { AppendBody, SessionSurface } from "./session-surface.ts";

/** What is wrong with an append to a session of two messages, and where. */
const FAULTY: readonly (readonly [name: string, body: object, path: string])[] = [
  ["no message", { messages: [] }, "/messages"],
  ["more than a hundred", { messages: turns(101) }, "/messages"],
  ["one id twice", { messages: [said("one", "same"), said("two", "same")] }, "/messages/1/id"],
  ["an id of the server's own form", { messages: [said("ahead", "seq-9")] }, "/messages/0/id"],
  ["a role that there is not", { messages: [{ ...said("by", "m"), role: "king" }] }, "/messages/0/role"],
  ["no content", { messages: [{ id: "m", role: "user" }] }, "/messages/0/content"],
  ["a NUL in a name", { messages: [{ ...said("x", "m"), author: "a\u0000b" }] }, "/messages/0/author"],
  ["a moment that is none", { messages: [{ ...said("when", "m"), occurredAt: "soon" }] }, "/messages/0/occurredAt"],
  [
    "too much metadata",
    { messages: [{ ...said("x", "m"), metadata: { text: "x".repeat(5_000) } }] },
    "/messages/0/metadata",
  ],
  ["a property that is not known", { messages: [{ ...said("x", "m"), weight: 1 }] }, "/messages/0/weight"],
  ["a format that there is not", { format: "xml", messages: [said("x", "m")] }, "/format"],
  ["a head below zero", { messages: [said("x", "m")], expectedHeadSeq: -1 }, "/expectedHeadSeq"],
  ["a head in words", { messages: [said("x", "m")], expectedHeadSeq: "2" }, "/expectedHeadSeq"],
  ["a context of no budget", { messages: [said("x", "m")], context: { maxTokens: 0 } }, "/context/maxTokens"],
  ["a context in no format", { messages: [said("x", "m")], context: { format: "xml" } }, "/context/format"],
];

export function describeAppends(open: () => SessionSurface): void {
  it("number messages without gaps, store a repeated one once, and refuse its id for other content", async () => {
    const surface = open();
    const id = newId();
    const first = await surface.append(id, { messages: turns(3) });
    expect(first).toMatchObject({ headSeq: 3, messages: [{ seq: 1, created: true }, { seq: 2 }, { seq: 3 }] });
    const again = await surface.append(id, { messages: turns(4) });
    expect(again).toMatchObject({ headSeq: 4, messages: [{ created: false }, {}, {}, { seq: 4, created: true }] });
    await expect(surface.append(id, { messages: [said("other words", "turn-1")] })).rejects.toMatchObject({
      code: "message_conflict",
      status: 409,
    });
    expect((await surface.state(id)).headSeq).toBe(4);
  });

  it("take a hundred messages at once, all of them or none", async () => {
    const surface = open();
    const id = newId();
    const { messages, headSeq } = await surface.append(id, { messages: turns(100) });
    expect(headSeq).toBe(100);
    expect(messages.map(({ id: messageId, seq }) => [messageId, seq])).toEqual(
      turns(100).map((turn, index) => [turn.id, index + 1]),
    );
    const mixed = surface.append(id, { messages: [said("new", "new"), said("other words", "turn-7")] });
    await expect(mixed).rejects.toMatchObject({
      code: "message_conflict",
      errors: [{ path: "/messages/1/id", detail: "is taken by seq 7" }],
    });
    await expect(surface.message(id, "new")).rejects.toMatchObject({ code: "message_not_found" });
  });

  it("give a message without an id one, by which it can be found", async () => {
    const surface = open();
    const id = newId();
    const appended = await surface.append(id, { messages: [{ role: "user", content: "Nameless." }] });
    const [message] = appended.messages;
    expect(message).toMatchObject({ seq: 1, created: true });
    expect(await surface.message(id, message?.id ?? "")).toMatchObject({ seq: 1, content: "Nameless." });
  });

  it("recognize a message that was edited or erased since", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(2) });
    await surface.edit(id, "turn-1", { content: "Changed." });
    await surface.erase(id, "turn-2");
    const again = await surface.append(id, { messages: turns(2) });
    expect(again).toMatchObject({ headSeq: 2, messages: [{ created: false }, { created: false, erased: true }] });
    expect(await surface.message(id, "turn-1")).toMatchObject({ content: "Changed." });
  });

  it("refuse an append to a session that has moved on, and return its head", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(2), expectedHeadSeq: 0 });
    const late = surface.append(id, { messages: [said("late", "late")], expectedHeadSeq: 1 });
    await expect(late).rejects.toMatchObject({
      code: "head_seq_mismatch",
      status: 409,
      errors: [{ path: "/expectedHeadSeq", detail: "is not the current 2" }],
    });
    expect((await surface.messages(id, {})).data.map(({ id: messageId }) => messageId)).toEqual(["turn-1", "turn-2"]);
    // A repeated append is answered as before, because its caller lost the first answer.
    const repeated = await surface.append(id, { messages: turns(2), expectedHeadSeq: 0 });
    expect(repeated).toMatchObject({ headSeq: 2, messages: [{ created: false }, { created: false }] });
  });

  it("say of a malformed request what is wrong where, and change nothing", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(1) });
    const faulty = surface.append(id, {
      messages: [
        { ...said("good", "good") },
        { ...said("bad", "a/b"), content: JSON.parse('[{"type":"text","words":"?"}]') },
      ],
    });
    await expect(faulty).rejects.toMatchObject({
      code: "validation_failed",
      status: 422,
      errors: expect.arrayContaining([
        expect.objectContaining({ path: "/messages/1/id" }),
        { path: "/messages/1/content/0/text", detail: "is required" },
      ]),
    });
    expect((await surface.state(id)).headSeq).toBe(1);
  });

  it("accept an answer in the shape of a provider's SDK, and report a fault at its place there", async () => {
    const surface = open();
    const id = newId();
    const tool_calls = [{ id: "c1", type: "function", function: { name: "find", arguments: '{"what":"boats"}' } }];
    const messages = [
      { id: "a", role: "assistant", content: null, refusal: null, tool_calls },
      { id: "t", role: "tool", tool_call_id: "c1", content: "three" },
    ];
    await surface.append(id, { format: "openai-chat", messages });
    const again = await surface.append(id, { format: "openai-chat", messages });
    expect(again).toMatchObject({ headSeq: 2, messages: [{ created: false }, { created: false }] });
    expect(await surface.message(id, "a")).toMatchObject({
      role: "assistant",
      content: [{ type: "tool-call", toolCallId: "c1", toolName: "find", input: { what: "boats" } }],
    });
    const nameless = { role: "user", content: [{}] };
    const faulty = surface.append(id, { format: "anthropic", messages: [nameless] });
    await expect(faulty).rejects.toMatchObject({ status: 422, errors: [{ path: "/messages/0/content/0/type" }] });
  });

  it("repair characters that no store keeps, report where, and recognize the message when it is repeated", async () => {
    const surface = open();
    const id = newId();
    const output = JSON.parse(`${"[".repeat(40)}${"]".repeat(40)}`);
    const messages = [
      said("a\u0000b", "m"),
      {
        id: "n",
        role: "tool" as const,
        content: [
          { type: "text" as const, text: "log ends with \ud83d" },
          { type: "tool-result" as const, toolCallId: "c", toolName: "t", output: { type: "json", value: output } },
        ],
      },
    ];
    const mended = ["/messages/0/content", "/messages/1/content/0/text", "/messages/1/content/1/output"];
    expect(await surface.append(id, { messages })).toMatchObject({ headSeq: 2, mended });
    expect(await surface.append(id, { messages })).toMatchObject({
      messages: [{ created: false }, { created: false }],
    });
    expect(await surface.message(id, "m")).toMatchObject({ content: "a\ufffdb" });
    expect(await surface.message(id, "n")).toMatchObject({
      content: [
        { text: "log ends with \ufffd" },
        { output: { type: "text", value: `${"[".repeat(40)}${"]".repeat(40)}` } },
      ],
    });
    const edited = await surface.edit(id, "m", { content: "c\ud800" });
    expect(edited).toMatchObject({ content: "c\ufffd", mended: ["/content"] });
    expect(await surface.append(id, { messages: [said("sound", "s")] })).not.toHaveProperty("mended");
  });

  it.each(FAULTY)("refuse an append with %s", async (_name, body, path) => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(2) });
    await expect(surface.append(id, untyped<AppendBody>(body))).rejects.toMatchObject({
      code: "validation_failed",
      status: 422,
      detail: expect.any(String),
      errors: [{ path, detail: expect.any(String) }],
    });
    expect((await surface.state(id)).headSeq).toBe(2);
  });

  it("refuse a message that is too large, and name it", async () => {
    const huge = open().append(newId(), { messages: [said("x".repeat(MAX_MESSAGE_BYTES), "huge")] });
    await expect(huge).rejects.toMatchObject({
      code: "message_too_large",
      status: 413,
      errors: [{ path: "/messages/0/content" }],
    });
  });

  it("keep every kind of part, and text in every script, unchanged", async () => {
    const surface = open();
    const id = newId();
    const content = [
      { type: "text" as const, text: "Grüße 👋🏽 \u2028 ‮ <b>" },
      { type: "file" as const, mediaType: "image/png", data: "https://example.com/a.png", filename: "a.png" },
      { type: "tool-call" as const, toolCallId: "c", toolName: "find", input: { deep: [1, null, { x: true }] } },
      { type: "data-chart" as const, id: "d", data: { points: [1.5, -2] } },
    ];
    const metadata = { "key/with~signs": ["a", { b: null }] };
    await surface.append(id, { messages: [{ id: "m", role: "assistant", author: "Ana", content, metadata }] });
    expect(await surface.message(id, "m")).toMatchObject({ author: "Ana", content, metadata });
  });
}
