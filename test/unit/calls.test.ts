import { describe, expect, it } from "vitest";
import type { Part } from "../../src/api/message.ts";
import { matchCalls } from "../../src/prompt/calls.ts";

const call = (): Part => ({ type: "tool-call", toolCallId: "0", toolName: "find", input: {} });
const result: Part = { type: "tool-result", toolCallId: "0", toolName: "find", output: "nine" };

/** The index of the call that a following result answers. */
function answeredOf(seqs: readonly number[]): number {
  const calls = seqs.map((seq) => ({ seq, role: "assistant" as const, content: [call()] }));
  const { resultOf } = matchCalls([...calls, { seq: (seqs.at(-1) ?? 0) + 1, role: "tool", content: [result] }]);
  return calls.findIndex(({ content: [part] }) => part !== undefined && resultOf.get(part) === result);
}

describe("a result whose id several calls have", () => {
  it("answers the first one if they are parallel", () => {
    expect(answeredOf([1, 2])).toBe(0);
  });

  it("answers the last one if a message between them was erased, because a user may have spoken there", () => {
    expect(answeredOf([1, 3])).toBe(1);
  });
});
