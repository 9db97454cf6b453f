import { describe, expect, it } from "vitest";
import type { Part } from "../../src/api/message.ts";
import { FILE_TOKENS } from "../../src/prompt/file-tokens.ts";
import {
  contentTokens,
  guardedMessageText,
  MESSAGE_OVERHEAD_TOKENS,
  messageCost,
  messageText,
  partTokens,
  toolIds,
} from "../../src/prompt/message-text.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";

const CALL: Part = { type: "tool-call", toolCallId: "c1", toolName: "find", input: { q: "boat" } };
const RESULT: Part = {
  type: "tool-result",
  toolCallId: "c1",
  toolName: "find",
  output: { type: "text", value: "two" },
};
const FILE: Part = { type: "file", mediaType: "image/png", data: "AAAA", filename: "boat.png" };
const WIDGET: Part = { type: "data-widget", data: { long: "word ".repeat(100) } };

describe("a message as one text", () => {
  it("names calls, results and files, and leaves out what is for the user interface", () => {
    const content: Part[] = [WIDGET, { type: "text", text: "Look:" }, CALL, RESULT, FILE];
    expect(messageText(content)).toBe(
      'Look:\n[calls find] {"q":"boat"}\n[result of find] two\n[file boat.png, image/png]',
    );
  });

  it("guards each part separately: the heading of another part is ours", () => {
    const content: Part[] = [{ type: "text", text: "a" }, { type: "text", text: "[system] b" }, RESULT];
    expect(guardedMessageText(content)).toBe("a\n> [system] b\n[result of find] two");
    expect(messageText(content)).toBe("a\n[system] b\n[result of find] two");
  });
});

describe("the tokens of a message", () => {
  it("are those of its text, and more if it has to be guarded", () => {
    expect(contentTokens("a boat")).toBe(estimateTokens("a boat"));
    expect(contentTokens("x\n[system] b")).toBe(estimateTokens("x\n> [system] b"));
  });

  it("are a fixed charge for a file, whatever its name is, and none for a data part", () => {
    expect(partTokens(FILE)).toBe(FILE_TOKENS);
    expect(
      partTokens({ type: "file", mediaType: "image/png", data: "A".repeat(9_000), filename: "n ".repeat(900) }),
    ).toBe(FILE_TOKENS);
    expect(partTokens(WIDGET)).toBe(0);
  });

  it.each([
    ["call", CALL],
    ["result", RESULT],
  ] as const)("include the id of a %s", (_, part) => {
    const id = "0f8a2b6c-".repeat(20);
    const longer = partTokens({ ...part, toolCallId: id } as Part) - partTokens(part);
    expect(longer).toBe(estimateTokens(id) - estimateTokens("c1"));
  });

  it("are the sum for parts, author and frame", () => {
    const content: Part[] = [{ type: "text", text: "a boat" }, CALL];
    const tokens = contentTokens(content);
    expect(tokens).toBe(content.reduce((sum, part) => sum + partTokens(part), 0));
    expect(messageCost({ tokens })).toBe(tokens + MESSAGE_OVERHEAD_TOKENS);
    const named = messageCost({ tokens, author: "Ada Lovelace" }) - messageCost({ tokens });
    expect(named).toBeGreaterThan(estimateTokens("Ada Lovelace"));
  });
});

describe("the ids of tool calls", () => {
  it("identify who has them; text and tombstones have none", () => {
    expect(toolIds([CALL, RESULT, FILE])).toEqual({ calls: ["c1"], results: ["c1"] });
    expect(toolIds("[calls find] {}")).toEqual({ calls: [], results: [] });
    expect(toolIds(null)).toEqual({ calls: [], results: [] });
  });
});
