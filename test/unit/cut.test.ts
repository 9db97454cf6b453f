import { describe, expect, it } from "vitest";
import { chooseCut, type CutMessage, isSummaryDue } from "../../src/prompt/cut.ts";

/** Newest first, each with this many tokens. */
function log(costs: readonly number[]): CutMessage[] {
  return costs.map((cost, index) => ({ seq: index + 1, content: "text", cost })).toReversed();
}

describe("the cut between summary and recent messages", () => {
  it("leaves as many messages verbatim as fit, and covers the others", () => {
    expect(chooseCut(log([10, 10, 10, 10, 10, 10, 10, 10, 10, 10]), 60)).toBe(4);
  });

  it("leaves at least four messages, however large", () => {
    expect(chooseCut(log([500, 500, 500, 500, 500, 500]), 60)).toBe(2);
  });

  it("covers nothing of a chat that fits", () => {
    expect(chooseCut(log([10, 10, 10, 10, 10]), 60)).toBe(0);
    expect(chooseCut(log([500, 500, 500]), 60)).toBe(0);
    expect(chooseCut([], 60)).toBe(0);
  });

  it("moves back so that no tool call is separated from its result", () => {
    const call = { type: "tool-call", toolCallId: "c", toolName: "find", input: {} } as const;
    const result = { type: "tool-result", toolCallId: "c", toolName: "find", output: "x" } as const;
    const messages = log([10, 10, 10, 10, 10, 10, 10, 10]);
    const contents: CutMessage["content"][] = ["a", "b", [call], "between", [result], "c", "d", "e"];
    const withTools = messages.map((message) => ({
      ...message,
      content: contents[message.seq - 1] ?? null,
    }));
    expect(chooseCut(withTools, 40)).toBe(2);
  });

  it("does not wait for ever for the call of a result that has none", () => {
    const orphan = { type: "tool-result", toolCallId: "c", toolName: "find", output: "x" } as const;
    const messages = log(Array.from({ length: 200 }, () => 10)).map((message) =>
      message.seq === 200 ? { ...message, content: [orphan] } : message,
    );
    expect(chooseCut(messages, 40)).toBeGreaterThan(100);
  });

  it("is due only after the threshold is passed", () => {
    expect(isSummaryDue(100, { summarizeAfterTokens: 100 })).toBe(false);
    expect(isSummaryDue(101, { summarizeAfterTokens: 100 })).toBe(true);
  });
});
