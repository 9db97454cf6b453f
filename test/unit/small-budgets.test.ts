import { describe, expect, it } from "vitest";
import type { Part } from "../../src/api/message.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { cutText } from "../../src/prompt/cut-text.ts";
import type { RetrievedMessage } from "../../src/prompt/retrieved.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import { logOf, type SaidMessage } from "../support/agent-chats.ts";
import { inputOf } from "../support/context-arbitraries.ts";

const image: Part = { type: "file", mediaType: "image/png", data: "https://example.com/a.png" };
const filler: SaidMessage[] = Array.from({ length: 20 }, () => ({
  role: "user",
  content: "boats in the harbour ".repeat(20),
}));

function contextOf(messages: readonly SaidMessage[], maxTokens: number, found: RetrievedMessage[] | null = null) {
  return assembleContext(inputOf({ log: logOf(messages), summary: null }, maxTokens, found));
}

describe("a budget that is almost too small", () => {
  it("prefers the words of a question to the names of its files, next to a summary", () => {
    const items = Array.from({ length: 40 }, (_, index) => ({
      id: `1.${index}`,
      kind: "fact" as const,
      text: `item ${index} about boats in the harbour`,
      sourceSeqs: [1],
      status: "current" as const,
    }));
    const made = { summarizer: "test", degraded: false, droppedItems: 0, createdAt: "2026-01-01T00:00:00.000Z" };
    const summary = { version: 1, throughSeq: 20, items, tokens: 500, ...made };
    const question: SaidMessage = {
      role: "user",
      content: [{ type: "text", text: "Which berth is free?" }, image, image],
    };
    const log = logOf([...filler, question, { role: "assistant", content: "I look. ".repeat(60) }]);
    for (let maxTokens = 256; maxTokens < 300; maxTokens += 4) {
      const { messages } = assembleContext(inputOf({ log, summary }, maxTokens));
      expect(JSON.stringify(messages.find(({ seq }) => seq === 21)?.content)).toContain("Which berth");
    }
  });

  it("has room for an instruction next to a message that fills the room which a query returns", () => {
    const made = { summarizer: "test", degraded: false, droppedItems: 0, createdAt: "2026-01-01T00:00:00.000Z" };
    const summary = { version: 1, throughSeq: 1, items: [], tokens: 0, ...made };
    const log = logOf([
      { role: "user", content: "Hello." },
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Which berth is free?" }, image, image, image] },
    ]);
    const whole = log[2]?.tokens ?? 0;
    for (let more = 0; more < 60; more += 3) {
      const { messages } = assembleContext(inputOf({ log, summary }, whole + more, []));
      expect(messages.map(({ content }) => content)).toContain("Be brief.");
    }
  });

  it("has room for the whole of a pinned question that only the summary covers, if a tool's output would leave it a few words", () => {
    const items = [
      { id: "1.1", kind: "event" as const, text: "asked for a berth", sourceSeqs: [1], status: "current" as const },
    ];
    const made = { summarizer: "test", degraded: false, droppedItems: 0, createdAt: "2026-01-01T00:00:00.000Z" };
    const summary = { version: 1, throughSeq: 1, items, tokens: 20, ...made };
    const question: SaidMessage = {
      role: "user",
      content: "Which berth is free on Sunday, and what does it cost?",
      pinned: true,
    };
    for (let words = 60; words < 220; words += 3) {
      const call: Part = { type: "tool-call", toolCallId: "c1", toolName: "find", input: {} };
      const output = "boat ".repeat(words);
      const result: Part = { type: "tool-result", toolCallId: "c1", toolName: "find", output };
      const log = logOf([question, { role: "assistant", content: [call] }, { role: "tool", content: [result] }]);
      const { messages } = assembleContext(inputOf({ log, summary }, 256));
      expect(messages.map(({ seq, content }) => [seq, content])).toContainEqual([1, question.content]);
    }
  });

  it("has a question without its author's name if both do not fit", () => {
    const question: SaidMessage = { role: "user", author: "ꔀ".repeat(60), content: "Which berth is free?" };
    const answer: SaidMessage = { role: "assistant", content: "I look. ".repeat(300) };
    for (let maxTokens = 256; maxTokens < 320; maxTokens += 4) {
      const { messages } = contextOf([...filler, question, answer], maxTokens);
      expect(messages.find(({ role }) => role === "user")?.content).toBe("Which berth is free?");
    }
  });

  it("retrieves nothing older if the question or the newest message would lose words by it", () => {
    const message = {
      id: "m1",
      seq: 1,
      role: "user" as const,
      content: "boats ".repeat(40),
      createdAt: "2026-01-01T00:00:00.000Z",
      tokens: 40,
    };
    const found = [{ message, score: 1, why: "test" }];
    const question: SaidMessage = { role: "user", content: "Which berth is free? ".repeat(20) };
    const answer: SaidMessage = { role: "assistant", content: "I look. ".repeat(30) };
    const asked = contextOf([...filler, question, answer], 256, found);
    expect(asked.messages).toEqual(contextOf([...filler, question, answer], 256).messages);
    expect(asked.retrieved).toEqual([]);
    expect(contextOf([...filler, question, answer], 1_000, found).retrieved).toHaveLength(1);
  });

  it.each([8, 16, 24, 35])("leaves words of a text that has room for %i tokens", (maxTokens) => {
    const cut = cutText("which berth is free tomorrow ".repeat(30), maxTokens);
    expect(cut).toMatch(/^which .* \[…\]$/);
    expect(estimateTokens(cut)).toBeLessThanOrEqual(maxTokens);
  });
});
