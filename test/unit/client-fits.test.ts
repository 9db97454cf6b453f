import { describe, expect, it } from "vitest";
import { batchesOf } from "../../client/src/batches.ts";
import type { Content } from "../../client/src/contract.ts";
import { fitContent, fitMetadata } from "../../client/src/fit-content.ts";
import { MAX_BODY_BYTES, MAX_MESSAGE_BYTES, MAX_METADATA_BYTES } from "../../src/api/limits.ts";
import { contentSchema } from "../../src/api/message.ts";
import { jsonBytes } from "../../src/api/text.ts";

describe("messages that are appended", () => {
  it("are sent in batches that fit a body, in order, and a large one alone", () => {
    const messages = Array.from({ length: 250 }, (_, at) => ({
      id: `${at}`,
      content: "é".repeat(at % 50 === 7 ? 1_900_000 : 20_000),
    }));
    const batches = batchesOf(messages);
    expect(batches.flat()).toEqual(messages);
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(100);
      expect(jsonBytes({ messages: batch })).toBeLessThan(MAX_BODY_BYTES);
    }
    expect(batchesOf([])).toEqual([]);
  });
});

describe("content that is too large for a message", () => {
  const large: [string, Content][] = [
    ["a text", "word ".repeat(1_000_000)],
    ["a text of another script", "記憶".repeat(1_000_000)],
    ["a text of line ends", "\n".repeat(3_000_000)],
    [
      "a photo",
      [
        { type: "text", text: "see" },
        { type: "file", mediaType: "image/png", filename: "a.png", data: "A".repeat(6_000_000) },
      ],
    ],
    [
      "many photos",
      Array.from({ length: 9 }, () => ({ type: "file" as const, mediaType: "image/png", data: "A".repeat(900_000) })),
    ],
    [
      "an output",
      [
        {
          type: "tool-result",
          toolCallId: "c",
          toolName: "run",
          output: { type: "json", value: { a: "x".repeat(5_000_000) } },
        },
      ],
    ],
    [
      "a screen that a tool shows",
      [
        {
          type: "tool-result",
          toolCallId: "c",
          toolName: "look",
          output: {
            type: "content",
            value: [
              { type: "text", text: "The berth is free." },
              { type: "image-data", mediaType: "image/png", data: "A".repeat(5_000_000) },
            ],
          },
        },
      ],
    ],
    ["an input", [{ type: "tool-call", toolCallId: "c", toolName: "run", input: { a: "x".repeat(5_000_000) } }]],
    ["data", [{ type: "data-x", data: "x".repeat(5_000_000) }]],
  ];

  it.each(large)("is cut if it is %s, in the same way each time, and accepted", (_, content) => {
    const fitted = fitContent(content);
    expect(jsonBytes(fitted)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
    expect(contentSchema.safeParse(fitted).success).toBe(true);
    expect(fitContent(content)).toEqual(fitted);
    expect(fitContent(fitted)).toEqual(fitted);
  });

  it("keeps as much as fits", () => {
    const [text, photo] = fitContent(large[3]?.[1] ?? "");
    expect([text, photo]).toEqual([
      { type: "text", text: "see" },
      { type: "text", text: "[file a.png, image/png, 4.5 MB: too large for a message, left out]" },
    ]);
    const screen = large.find(([name]) => name === "a screen that a tool shows")?.[1] ?? "";
    expect(fitContent(screen)).toMatchObject([
      {
        output: {
          type: "content",
          value: [
            { type: "text", text: "The berth is free." },
            { type: "text", text: "[file, 3.8 MB: too large for a message, left out]" },
          ],
        },
      },
    ]);
    const left = fitContent(large[4]?.[1] ?? "");
    expect(Array.isArray(left) ? left.filter(({ type }) => type === "file") : []).toHaveLength(4);
    expect(fitContent("short")).toBe("short");
  });
});

describe("metadata that is too large for a message", () => {
  it("keeps the values that fit, and names the others", () => {
    const fitted = fitMetadata({ plan: "pro", trace: "x".repeat(5_000), tag: 7 });
    expect(fitted).toEqual({ plan: "pro", tag: 7, leftOut: ["trace"] });
    expect(fitMetadata({ a: 1 })).toEqual({ a: 1 });
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`name-${at}`, at]));
    expect(jsonBytes(fitMetadata(many))).toBeLessThanOrEqual(MAX_METADATA_BYTES);
  });
});
