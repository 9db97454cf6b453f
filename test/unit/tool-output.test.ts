import { describe, expect, it } from "vitest";
import { isFailure, outputText, toToolOutput } from "../../src/prompt/tool-output.ts";

describe("a tool's output", () => {
  it.each([
    ["two boats", { type: "text", value: "two boats" }, "two boats", false],
    [{ found: 2 }, { type: "json", value: { found: 2 } }, '{"found":2}', false],
    [{ type: "json", value: "two" }, { type: "json", value: "two" }, "two", false],
    [{ type: "error-text", value: "no boat" }, { type: "error-text", value: "no boat" }, "no boat", true],
    [{ type: "error-json", value: { code: 7 } }, { type: "error-json", value: { code: 7 } }, '{"code":7}', true],
    [{ type: "error-json", value: "seven" }, { type: "error-json", value: "seven" }, "seven", true],
    [{ type: "execution-denied" }, { type: "execution-denied" }, "execution denied", true],
    [{ type: "execution-denied", reason: "not now" }, { type: "execution-denied", reason: "not now" }, "not now", true],
    // It looks like an envelope and is not one: all of it is output.
    [
      { type: "text", value: 3 },
      { type: "json", value: { type: "text", value: 3 } },
      '{"type":"text","value":3}',
      false,
    ],
  ])(
    "of %j is in the AI SDK's envelope, is read as text, and says whether it failed",
    (given, envelope, text, failed) => {
      const output = toToolOutput(given);
      expect(output).toEqual(envelope);
      expect(outputText(output)).toBe(text);
      expect(isFailure(output)).toBe(failed);
    },
  );

  it("names contents that are not text", () => {
    const value = [
      { type: "text", text: "Here:" },
      { type: "file-data", data: "AAAA", mediaType: "image/png" },
    ];
    expect(outputText(toToolOutput({ type: "content", value }))).toBe("Here:\n[image, 1 KB]");
  });
});
