import { describe, expect, it } from "vitest";
import type { Part } from "../../src/contracts/message.ts";
import { assembleContext } from "../../src/memory/context.ts";
import { cutText } from "../../src/memory/cut-text.ts";
import type { RetrievedMessage } from "../../src/memory/retrieved.ts";
import { estimateTokens } from "../../src/memory/tokens.ts";
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

describe("a budget that is nearly too small", () => {
  it("has the words of a question before the names of its files", () => {
    const question: SaidMessage = {
      role: "user",
      content: [{ type: "text", text: `Which berth is free? ${"ꔀ".repeat(60)}` }, image, image, image],
    };
    const { messages } = contextOf(
      [...filler, question, { role: "assistant", content: "I look at them. ".repeat(90) }],
      256,
    );
    const asked = messages.find(({ seq }) => seq === 21);
    expect(JSON.stringify(asked?.content)).toContain("Which berth is free?");
  });

  it("has a question without its author's name, where both have no room", () => {
    const question: SaidMessage = { role: "user", author: "ꔀ".repeat(60), content: "Which berth is free?" };
    const answer: SaidMessage = { role: "assistant", content: "I look. ".repeat(300) };
    for (let maxTokens = 256; maxTokens < 320; maxTokens += 4) {
      const { messages } = contextOf([...filler, question, answer], maxTokens);
      expect(messages.find(({ role }) => role === "user")?.content).toBe("Which berth is free?");
    }
  });

  it("brings back nothing older where the question would lose its words by it, or the newest message", () => {
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
