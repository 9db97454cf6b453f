import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Context, contextFormatSchema } from "../../src/api/context.ts";
import type { Content, Part } from "../../src/api/message.ts";
import { jsonBytes } from "../../src/api/text.ts";
import { assembleContext, type LogMessage } from "../../src/prompt/context.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { nameMedia } from "../../src/prompt/media.ts";
import { contentTokens, messageCost, messageText } from "../../src/prompt/message-text.ts";
import { type Chat, inputOf } from "../support/context-arbitraries.ts";

const RUNS = { numRuns: 150, seed: 20261122 };
const KB = 1_024;

const base64 = (bytes: number): string => `iVBORw0KGgo${"A".repeat(Math.max(1, Math.ceil((bytes * 4) / 3) - 11))}`;
const image = (bytes: number): Part => ({ type: "file", mediaType: "image/png", data: base64(bytes) });

function chatOf(said: readonly { role: LogMessage["role"]; content: Content; author?: string }[]): Chat {
  let total = 0;
  const log = said.map((message, index): LogMessage => {
    const tokens = contentTokens(message.content);
    const tokensBefore = total;
    total += messageCost({ tokens, author: message.author });
    const place = { id: `m${index + 1}`, seq: index + 1, createdAt: "2026-01-01T00:00:00.000Z" };
    return { ...place, ...message, tokens, tokensBefore, bytes: jsonBytes(message.content) };
  });
  return { log, summary: null };
}

const screenshots = (count: number, bytes: number): Chat =>
  chatOf(Array.from({ length: count }, () => ({ role: "user", content: [image(bytes)] })));

/** The first message whose file is sent. */
function firstFile({ messages }: Context): number {
  return (
    messages.find(({ content }) => typeof content !== "string" && content.some(({ type }) => type === "file"))?.seq ?? 0
  );
}

describe("a file in words", () => {
  const nameOf = (part: Part): string => messageText(nameMedia([part], 41) ?? "");

  it("says what the file is, how large it is, and where it is", () => {
    expect(nameOf(image(1_234_567))).toBe("[image, 1.2 MB, message 41]");
    expect(nameOf({ type: "file", mediaType: "application/pdf", filename: "a.pdf", data: base64(190_000) })).toBe(
      "[file a.pdf, 190 KB, message 41]",
    );
    expect(nameOf({ type: "file", mediaType: "audio/wav", data: `data:audio/wav;base64,${base64(2_000)}` })).toBe(
      "[audio, 2 KB, message 41]",
    );
  });
  it("also stands for what a tool shows, next to the tool's text", () => {
    const value = [
      { type: "text", text: "Here it is." },
      { type: "image-data", mediaType: "image/png", data: base64(50_000) },
    ];
    const output = { type: "content", value };
    expect(nameMedia([{ type: "tool-result", toolCallId: "c", toolName: "look", output }], 3)).toEqual([
      {
        type: "tool-result",
        toolCallId: "c",
        toolName: "look",
        output: { type: "content", value: [value[0], { type: "text", text: "[image, 50 KB, message 3]" }] },
      },
    ]);
  });
  it("does not replace a file that is small, is text, or is at a URL", () => {
    const parts: Part[] = [
      { type: "text", text: "x".repeat(5_000) },
      image(300),
      { type: "file", mediaType: "image/png", data: `https://example.com/${"a".repeat(2_000)}` },
      { type: "tool-result", toolCallId: "c", toolName: "t", output: "x".repeat(5_000) },
      { type: "data-chart", data: 1 },
    ];
    expect(nameMedia(parts, 1)).toBeNull();
    expect(nameMedia("x".repeat(5_000), 1)).toBeNull();
  });
  it("leaves out what is only for the user interface", () => {
    expect(nameMedia([{ type: "data-chart", data: "x".repeat(5_000) }], 1)).toBe("");
  });
});

describe("a context of many files", () => {
  const chat = screenshots(60, 6 * KB);
  const maxBytes = 100 * KB;
  const context = assembleContext(inputOf(chat, 100_000, null, maxBytes));

  it("contains the newest of them, and names each older one, in its message and in omitted", () => {
    const first = firstFile(context);
    expect(context.messages.map(({ seq }) => seq)).toEqual(chat.log.map(({ seq }) => seq));
    expect(first).toBeGreaterThan(40);
    expect(first).toBeLessThanOrEqual(60);
    for (const { seq, content, cut } of context.messages) {
      if (seq >= first) expect({ content, cut }).toEqual({ content: chat.log[seq - 1]?.content, cut: undefined });
      else expect({ text: messageText(content), cut }).toEqual({ text: `[image, 6 KB, message ${seq}]`, cut: true });
    }
    expect(context.omitted).toEqual([{ fromSeq: 1, throughSeq: first - 1, reason: "budget" }]);
  });

  it("uses the tokens that named files do not need for older turns", () => {
    const spoken = chatOf([
      ...Array.from({ length: 100 }, () => ({ role: "user" as const, content: "a line of no weight" })),
      ...chat.log.map(({ role, content }) => ({ role, content: content ?? "" })),
    ]);
    const { messages, tokens } = assembleContext(inputOf(spoken, 30_000, null, 3 * maxBytes));
    expect(messages[0]?.content).toBe("a line of no weight");
    expect(tokens.used).toBeLessThanOrEqual(30_000);
  });

  it("starts to send them at the same message while others are appended, except for rare steps", () => {
    const long = screenshots(400, 6 * KB);
    const firsts = Array.from({ length: 300 }, (_, step) => {
      const log = long.log.slice(0, 100 + step);
      return firstFile(assembleContext(inputOf({ log, summary: null }, 1_000_000, null, maxBytes)));
    });
    const moves = firsts.filter((first, index) => index > 0 && first !== firsts[index - 1]).length;
    expect(firsts.every((first, index) => index === 0 || first >= (firsts[index - 1] ?? 0))).toBe(true);
    // Nine of 300 files fit, in steps of an eighth to a quarter.
    expect(moves).toBeLessThanOrEqual(180);
    const kept = firsts.map((first, step) => 100 + step - first + 1);
    expect(Math.min(...kept)).toBeGreaterThanOrEqual(6);
  });

  it("sends the newest file even if it needs the room of all others", () => {
    const { messages, omitted } = assembleContext(
      inputOf(
        chatOf([
          { role: "user", content: [image(9 * KB)] },
          { role: "user", content: [image(90 * KB)] },
        ]),
        50_000,
        null,
        130 * KB,
      ),
    );
    expect(messages.map(({ cut }) => cut)).toEqual([true, undefined]);
    expect(omitted).toEqual([{ fromSeq: 1, throughSeq: 1, reason: "budget" }]);
  });

  it("keeps calls with their results, and names their pictures if these do not fit", () => {
    const value = (bytes: number) => [{ type: "image-data", mediaType: "image/png", data: base64(bytes) }];
    const calls = Array.from({ length: 30 }, (_, index) => ({ toolCallId: `c${index}`, toolName: "look" }));
    const agent = chatOf([
      { role: "user", content: "Look around." },
      { role: "assistant", content: calls.map((call) => ({ type: "tool-call", ...call, input: {} })) },
      ...calls.map((call): { role: "tool"; content: Part[] } => ({
        role: "tool",
        content: [{ type: "tool-result", ...call, output: { type: "content", value: value(6 * KB) } }],
      })),
    ]);
    const { messages } = assembleContext(inputOf(agent, 20_000, null, maxBytes));
    expect(messages).toHaveLength(32);
    expect(messages.filter(({ cut }) => cut === true).length).toBeGreaterThan(10);
    expect(messages.at(-1)?.cut).toBeUndefined();
  });

  it("retrieves older messages with their files if there is room, else with the files' names", () => {
    const found = chat.log.slice(0, 20).map(({ id, seq, role, createdAt, tokens, content }) => ({
      message: { id, seq, role, createdAt, tokens, content: content ?? "" },
      score: 1,
      why: "test",
    }));
    const log = chat.log.slice(40);
    const later = assembleContext({
      ...inputOf({ log, summary: null }, 20_000, found, maxBytes),
      headSeq: 60,
      atSeq: 60,
    });
    expect(later.retrieved.map(({ message }) => message.seq)).toEqual(found.map(({ message }) => message.seq));
    expect(jsonBytes(later.retrieved)).toBeLessThanOrEqual(maxBytes / 5);
    expect(jsonBytes(later.retrieved[0])).toBeGreaterThan(6 * KB);
    expect(messageText(later.retrieved.at(-1)?.message.content ?? "")).toBe("[image, 6 KB, message 20]");
  });
});

describe("a context of any messages", () => {
  const said = fc.oneof(
    fc.integer({ min: 1, max: 20 * KB }).map((bytes): Content => [image(bytes)]),
    fc
      .integer({ min: 1, max: 9 * KB })
      .map((bytes): Content => [{ type: "text", text: "see" }, image(bytes), image(bytes)]),
    fc.integer({ min: 0, max: 4_000 }).map((length): Content => "猫 and a dog ".repeat(length / 12)),
    fc.integer({ min: 0, max: 9 * KB }).map((length): Content => [
      { type: "text", text: "hm" },
      { type: "data-chart", data: "x".repeat(length) },
    ]),
  );
  const anyChat = fc
    .array(fc.record({ role: fc.constantFrom("user" as const, "assistant" as const), content: said }), {
      minLength: 1,
      maxLength: 40,
    })
    .map(chatOf);
  const maxBytes = fc.integer({ min: 40 * KB, max: 200 * KB });

  it.each(contextFormatSchema.options)("has no more bytes than allowed, as rendered in %s", (format) => {
    fc.assert(
      fc.property(anyChat, maxBytes, fc.integer({ min: 256, max: 100_000 }), (chat, bytes, maxTokens) => {
        const context = assembleContext(inputOf(chat, maxTokens, null, bytes));
        expect(jsonBytes(renderContext(context, { format, summaryRole: "user" }))).toBeLessThanOrEqual(bytes + KB);
        expect(context.tokens.used).toBeLessThanOrEqual(maxTokens);
      }),
      RUNS,
    );
  });

  it("accounts for each message: verbatim, or cut and named in omitted; no file is sent before one that is only named", () => {
    fc.assert(
      fc.property(anyChat, maxBytes, fc.integer({ min: 256, max: 100_000 }), (chat, bytes, maxTokens) => {
        const { messages, omitted } = assembleContext(inputOf(chat, maxTokens, null, bytes));
        const left = new Set(
          omitted.flatMap(({ fromSeq, throughSeq }) =>
            Array.from({ length: throughSeq - fromSeq + 1 }, (_, at) => fromSeq + at),
          ),
        );
        const whole = messages.filter(({ cut }) => cut !== true);
        expect(whole.every(({ seq, content }) => content === chat.log[seq - 1]?.content)).toBe(true);
        expect([...whole.map(({ seq }) => seq), ...left].toSorted((a, b) => a - b)).toEqual(
          chat.log.map(({ seq }) => seq),
        );
      }),
      RUNS,
    );
  });
});
