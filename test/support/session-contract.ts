import { describe, expect, it } from "vitest";
import type { SessionSurface } from "./session-surface.ts";

const newId = (): string => `contract-${crypto.randomUUID()}`;
const said = (text: string, id: string) => ({ id, role: "user" as const, content: text });
const turns = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `turn-${index + 1}`,
    role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
    content: `Turn ${index + 1}: crate ${7000 + index} went to the harbour office of Porto on day ${index + 1}.`,
  }));

/** What the tests of a part of the contract are about. What one besides needs to begin with, or looks at, may be another surface's. */
interface Part {
  readonly operations: readonly (keyof SessionSurface)[];
  readonly describe: (open: () => SessionSurface) => void;
}

/**
 * What every surface that offers the operations on sessions has in common, told by one set of assertions.
 * @param offers what the surface itself offers, by default everything
 */
export function describeSessionContract(
  name: string,
  open: () => SessionSurface,
  offers: readonly (keyof SessionSurface)[] = PARTS.flatMap(({ operations }) => operations),
): void {
  const offered = PARTS.filter(({ operations }) => operations.every((operation) => offers.includes(operation)));
  describe(`sessions over ${name}`, () => {
    for (const part of offered) part.describe(open);
  });
}

function describeTurns(open: () => SessionSurface): void {
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

  it("refuse an append to a session that has moved on, and say where it is", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(2), expectedHeadSeq: 0 });
    const late = surface.append(id, { messages: [said("late", "late")], expectedHeadSeq: 1 });
    await expect(late).rejects.toMatchObject({ code: "head_seq_mismatch" });
    expect((await surface.messages(id, {})).data.map(({ id: messageId }) => messageId)).toEqual(["turn-1", "turn-2"]);
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

  it("refuse a message that is too large, and name it", async () => {
    const huge = open().append(newId(), { messages: [said("x".repeat(300 * 1024), "huge")] });
    await expect(huge).rejects.toMatchObject({
      code: "message_too_large",
      status: 413,
      errors: [{ path: "/messages/0/content" }],
    });
  });

  it("give the context in the format that was asked for, by itself and with an append", async () => {
    const surface = open();
    const id = newId();
    const appended = await surface.append(id, { messages: turns(4), context: { format: "openai-chat" } });
    const context = await surface.context(id, { format: "openai-chat" });
    expect(appended.context).toEqual(context);
    expect(context.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
    expect(context.meta).toMatchObject({ headSeq: 4, omitted: [] });
    const proof = await surface.context(id, { format: "threadkeep", maxTokens: 1_000, query: "crate 7001" });
    expect(proof).toMatchObject({ sessionId: id, headSeq: 4, summary: null, tokens: { budget: 1_000 } });
    await expect(surface.context(id, { format: "text", maxTokens: 1 })).rejects.toMatchObject({
      code: "validation_failed",
      errors: [{ path: "/maxTokens" }],
    });
  });

  it("keep every kind of part, and text of every script, as they were sent", async () => {
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

function describeSessions(open: () => SessionSurface): void {
  it("do not begin with a request that was refused", async () => {
    const surface = open();
    const id = newId();
    const faulty = surface.append(id, { messages: [said("bad", "a/b")] });
    await expect(faulty).rejects.toMatchObject({ code: "validation_failed" });
    await expect(surface.state(id)).rejects.toMatchObject({ code: "session_not_found", status: 404 });
  });

  it("give the log by page in both directions, and a message by its id", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(7) });
    const seqs = async (query: Parameters<SessionSurface["messages"]>[1]): Promise<(number | boolean)[]> => {
      const page = await surface.messages(id, query);
      return [...page.data.map(({ seq }) => seq), page.hasMore];
    };
    expect(await seqs({ limit: 3 })).toEqual([1, 2, 3, true]);
    expect(await seqs({ limit: 3, afterSeq: 5 })).toEqual([6, 7, false]);
    expect(await seqs({ limit: 3, beforeSeq: 6 })).toEqual([3, 4, 5, true]);
    expect(await surface.message(id, "turn-4")).toMatchObject({ ...turns(4)[3], seq: 4 });
    await expect(surface.message(id, "turn-8")).rejects.toMatchObject({ code: "message_not_found", status: 404 });
    await expect(surface.messages(id, { limit: 101 })).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("edit a message in its place, erase one down to its seq, and find neither's old words", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: [...turns(4), said("The password is swordfish.", "secret")] });
    expect(await surface.edit(id, "turn-2", { content: "Changed." })).toMatchObject({ seq: 2, content: "Changed." });
    expect(await surface.erase(id, "secret")).toMatchObject({ id: "secret", seq: 5 });
    expect(await surface.message(id, "secret")).toMatchObject({ seq: 5, erased: true });
    await expect(surface.edit(id, "secret", { content: "back" })).rejects.toMatchObject({ code: "message_erased" });
    await expect(surface.edit(id, "turn-1", {})).rejects.toMatchObject({ code: "validation_failed" });
    expect((await surface.search(id, { query: "swordfish password" })).data).toEqual([]);
    expect((await surface.search(id, { query: "crate 7002" })).data[0]?.message.id).toBe("turn-3");
  });

  it("are created once, updated in part, forked, and gone when they are deleted", async () => {
    const surface = open();
    const id = newId();
    const made = await surface.create({ id, metadata: { topic: "crates" }, settings: { maxTokens: 2_000 } });
    expect(made).toMatchObject({ id, headSeq: 0, metadata: { topic: "crates" }, settings: { maxTokens: 2_000 } });
    expect(await surface.create({ id, metadata: { other: 1 } })).toEqual(made);
    await surface.append(id, { messages: turns(3) });
    const updated = await surface.update(id, { metadata: { topic: "ports" } });
    expect(updated).toMatchObject({ metadata: { topic: "ports" }, settings: { maxTokens: 2_000 } });
    const fork = await surface.fork(id, { id: `${id}-fork`, throughSeq: 2 });
    expect(fork).toMatchObject({ headSeq: 2, origin: { session: id, kind: "fork" } });
    expect(await surface.delete(id)).toMatchObject({ id });
    await expect(surface.state(id)).rejects.toMatchObject({ code: "session_not_found", status: 404 });
    await expect(surface.delete(id)).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("are summarized by hand, and list the versions", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(30) });
    const { job, summary } = await surface.summarize(id, { keepRecentTokens: 100, waitMs: 10_000 });
    expect(job).toMatchObject({ kind: "summarize", state: "done" });
    expect(summary?.items.length).toBeGreaterThan(0);
    expect((await surface.summaries(id, {})).data).toEqual([summary]);
    expect(await surface.context(id, { format: "threadkeep" })).toMatchObject({ summary: { version: 1 } });
  });
}

const PARTS: readonly Part[] = [
  { operations: ["append", "context"], describe: describeTurns },
  {
    operations: [
      "create",
      "state",
      "update",
      "delete",
      "fork",
      "messages",
      "message",
      "edit",
      "erase",
      "search",
      "summarize",
      "summaries",
    ],
    describe: describeSessions,
  },
];
