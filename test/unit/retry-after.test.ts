import { describe, expect, it } from "vitest";
import { parseRetryAfter } from "../../src/provider/retry-after.ts";

const NOW = Date.parse("2026-11-29T10:00:00Z");

describe("a pause that a summarizer asks for", () => {
  it.each([
    ["0", 0],
    ["1", 1],
    ["1.2", 2],
    ["3600", 3_600],
    ["86400", 3_600],
    ["Sun, 29 Nov 2026 10:02:00 GMT", 120],
    ["Mon, 30 Nov 2026 10:00:00 GMT", 3_600],
    ["Sun, 29 Nov 2026 09:00:00 GMT", undefined],
    ["-5", undefined],
    ["soon", undefined],
    ["Infinity", undefined],
    [" ", undefined],
    [null, undefined],
    [undefined, undefined],
  ])("of %j is %j seconds, at most an hour", (value, seconds) => {
    expect(parseRetryAfter(value, NOW)).toBe(seconds);
  });
});
