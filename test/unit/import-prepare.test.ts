import { describe, expect, it } from "vitest";
import { batchLength, isFullBatch, MAX_BATCH_BYTES } from "../../scripts/import/batch.ts";
import type { Turn } from "../../scripts/import/entry.ts";
import { Preparer, type Prepared, type PrepareResult } from "../../scripts/import/prepare.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import { MAX_BODY_BYTES, MAX_MESSAGE_BYTES } from "../../src/api/limits.ts";

const place = { file: "f", line: 1 };

function prepare(turn: Partial<Turn>, repair = false): PrepareResult {
  return new Preparer({ prefix: "", repair }).message("s", { role: "user", content: "hello", ...turn }, place);
}

function faultOf(result: PrepareResult): string {
  return "fault" in result ? result.fault : "";
}

function preparedOf(result: PrepareResult): Prepared {
  if ("fault" in result) throw new Error(result.fault);
  const [prepared] = result.prepared;
  if (prepared === undefined || result.prepared.length > 1) throw new Error("it is not one message");
  return prepared;
}

describe("a message before sending", () => {
  it("has the id of its source, or one made from its content", () => {
    expect(preparedOf(prepare({ id: "D1:1" })).message.id).toBe("D1:1");
    expect(preparedOf(prepare({ id: "a/b" })).message.id).toMatch(/^a-b\.[0-9a-f]{8}$/);
    expect(preparedOf(prepare({})).message.id).toMatch(/^h\.[0-9a-f]{20}\.1$/);
    expect(preparedOf(prepare({})).message.id).toBe(preparedOf(prepare({})).message.id);
    expect(preparedOf(prepare({ author: "Ada" })).message.id).not.toBe(preparedOf(prepare({})).message.id);
  });

  it("loses the nulls that exporters write for missing values", () => {
    const { message } = preparedOf(prepare({ author: null, occurredAt: null, metadata: null }));
    expect(Object.keys(message).toSorted()).toEqual(["content", "id", "role"]);
  });

  it("with an overlong author's name keeps as much of it as possible, and says so", () => {
    const result = prepare({ author: `${"x".repeat(126)}😀😀` });
    expect(preparedOf(result).message.author).toBe(`${"x".repeat(126)}…`);
    expect(result).toHaveProperty("warnings", [expect.stringContaining("is cut to 128")]);
  });

  it("that is too long is left out, or becomes several if its source allows it: whole lines, and nothing is lost", () => {
    const lines = Array.from({ length: 90_000 }, (_, index) => `line ${index} é ${"x".repeat(50)}`).join("\n");
    expect(faultOf(prepare({ content: lines }))).toContain("a message may have 4194304");
    const preparer = new Preparer({ prefix: "", repair: false });
    const result = preparer.message(
      "s",
      { id: "m", role: "user", content: lines, isDivisible: true, after: "q" },
      place,
    );
    if ("fault" in result) throw new Error(result.fault);
    expect(result.prepared.map(({ message }) => message.content).join("")).toBe(lines);
    expect(result.prepared.map(({ message, after }) => [after, message.id])).toEqual([
      ["q", "m"],
      ["m", "m.part-2"],
    ]);
    for (const { message, bytes } of result.prepared) {
      expect(bytes).toBe(Buffer.byteLength(JSON.stringify(message)));
      expect(bytes).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
    }
    expect(result.prepared[0]?.message.content).toMatch(/\n$/);
    expect(result.warnings).toEqual([expect.stringContaining("stands in 2 messages")]);
    expect(preparer.messageId("s", "m")).toBe("m.part-2");
    // Text without line breaks is cut between characters, and never within a surrogate pair.
    const pairs = prepare({ content: "😀".repeat(1_100_000), isDivisible: true });
    if ("fault" in pairs) throw new Error(pairs.fault);
    expect(pairs.prepared.every(({ message }) => String(message.content).isWellFormed())).toBe(true);
    const parts = [{ type: "text", text: lines }];
    expect(faultOf(prepare({ content: parts, isDivisible: true }))).toContain("a message may have 4194304");
  });

  it("that is left out is replaced by the one before it, for messages that follow it", () => {
    const preparer = new Preparer({ prefix: "", repair: false });
    const add = (id: string, after: string | null, role = "user"): PrepareResult =>
      preparer.message("s", { id, role, content: "x", after }, place);
    add("a", null);
    expect(faultOf(add("b", "a", "robot"))).not.toBe("");
    expect(faultOf(add("c", "b", "robot"))).not.toBe("");
    expect(preparedOf(add("d", "c")).after).toBe("a");
    expect(preparer.messageId("s", "c")).toBe("a");
    expect(faultOf(add("first", null, "robot"))).not.toBe("");
    expect(preparedOf(add("e", "first")).after).toBeNull();
  });

  it("that the contract refuses is left out, with the path and the reason", () => {
    expect(faultOf(prepare({ role: "robot" }))).toMatch(/^role: /);
    expect(faultOf(prepare({ content: undefined }))).toMatch(/^content: /);
    expect(faultOf(prepare({ content: 7 }))).toMatch(/^content: /);
    expect(faultOf(prepare({ content: [{ type: "text" }] }))).toMatch(/^content\.0/);
    expect(faultOf(prepare({ occurredAt: "yesterday" }))).toMatch(/^occurredAt: must be an ISO 8601/);
    expect(faultOf(prepare({ metadata: { k: "x".repeat(5_000) } }))).toMatch(/^metadata: must be at most 4096 bytes/);
    expect(faultOf(prepare({ author: 7 }))).toMatch(/^author: /);
    expect(faultOf(prepare({ content: "x".repeat(4_200_000) }))).toMatch(/bytes long/);
  });

  it("with NUL or a lone surrogate is left out, or repaired on request", () => {
    expect(faultOf(prepare({ content: "a\u0000b" }))).toBe("content: must not contain NUL characters");
    expect(faultOf(prepare({ content: "a\uD800b" }))).toContain("lone surrogate");
    const mended = prepare({ content: "a\u0000b\uD800", metadata: { "k\u0000": ["\uDFFF"] } }, true);
    expect(preparedOf(mended).message).toMatchObject({ content: "ab\uFFFD", metadata: { k: ["\uFFFD"] } });
    expect(mended).toMatchObject({ repaired: true });
    expect(prepare({ content: "fine" }, true)).toMatchObject({ repaired: false });
  });

  it("goes into a session with the given prefix", () => {
    const preparer = new Preparer({ prefix: "trial/", repair: false });
    expect(preparer.sessionId("a")).toMatch(/^trial-a\.[0-9a-f]{8}$/);
    expect(new Preparer({ prefix: "trial:", repair: false }).sessionId("a")).toBe("trial:a");
    expect(new Preparer({ prefix: "", repair: false }).sessionId("")).toBeNull();
  });
});

describe("a batch", () => {
  const waiting = (count: number, size = 10): Prepared[] =>
    Array.from({ length: count }, (_, index) =>
      preparedOf(prepare({ id: `m-${index}`, content: "é".repeat(Math.ceil(size / 2)) })),
    );

  it("has at most 100 messages", () => {
    expect(batchLength(waiting(250))).toBe(100);
    expect(batchLength(waiting(99))).toBe(99);
    expect(batchLength([])).toBe(0);
    expect(isFullBatch(99, 10)).toBe(false);
    expect(isFullBatch(100, 10)).toBe(true);
  });

  it("is smaller than the limit of a body, counted in bytes", () => {
    const messages = waiting(20, 1_600_000);
    const length = batchLength(messages);
    expect(length).toBe(5);
    const body = JSON.stringify({ messages: messages.slice(0, length).map(({ message }) => message) });
    expect(Buffer.byteLength(body)).toBeLessThanOrEqual(MAX_BODY_BYTES);
    expect(isFullBatch(2, MAX_BATCH_BYTES)).toBe(true);
  });

  it("never contains an id twice, because the service would refuse it", () => {
    const messages = [...waiting(3), ...waiting(3)];
    expect(batchLength(messages)).toBe(3);
    expect(
      appendRequestSchema.safeParse({ messages: messages.slice(0, 3).map(({ message }) => message) }).success,
    ).toBe(true);
  });

  it("in a conversation with branches ends before a message that does not follow its predecessor", () => {
    const follow = ([id, after]: [string, string | null]): Prepared => ({
      message: { id, role: "user", content: "x" },
      bytes: 10,
      place,
      after,
    });
    const all = [
      ["a", null],
      ["b", "a"],
      ["c", "a"],
      ["d", "c"],
    ] satisfies [string, string | null][];
    expect(batchLength(all.map(follow))).toBe(2);
    expect(batchLength(all.slice(2).map(follow))).toBe(2);
  });

  it("contains a single message if that one fills it", () => {
    expect(batchLength(waiting(2, 250_000).map((one) => ({ ...one, bytes: MAX_BATCH_BYTES })))).toBe(1);
  });
});
