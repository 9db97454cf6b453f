import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasMoreValues, refuseManyValues } from "../../src/api/json-values.ts";
import { MAX_USER_JSON_VALUES } from "../../src/api/limits.ts";
import { readFrame } from "../../src/session/live/frames.ts";

const names = (count: number): string => `{${Array.from({ length: count }, (_, at) => `"k${at}":1`).join(",")}}`;

/** Counts a value's lists and objects, and each of their entries but the first. */
function countedIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const entries = Object.values(value);
  return 1 + Math.max(0, entries.length - 1) + entries.reduce((sum, entry) => sum + countedIn(entry), 0);
}

describe("the number of values in a JSON text", () => {
  it("is the same as after parsing, whatever strings contain", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.string({ unit: fc.constantFrom('"', "\\", ",", "[", "{", "a") }),
        (value, text) => {
          const json = `${JSON.stringify([value, text])}${" ".repeat(5_000)}`;
          const count = countedIn([value, text]);
          expect(hasMoreValues(json, count)).toBe(false);
          expect(hasMoreValues(json, count - 1)).toBe(true);
        },
      ),
    );
  });

  it.each([
    ["names", names(MAX_USER_JSON_VALUES + 2)],
    ["empty objects", `[${"{},".repeat(MAX_USER_JSON_VALUES)}{}]`],
    ["lists in lists", "[".repeat(2 * MAX_USER_JSON_VALUES + 2)],
    ["numbers", `[${"1,".repeat(MAX_USER_JSON_VALUES + 1)}1]`],
  ])("is limited for a user before the text is parsed: %s", (_, text) => {
    expect(() => refuseManyValues(text)).toThrow("20000 values");
    expect(readFrame(text, true)).toMatchObject({ fault: { code: "validation_failed", facts: { maxValues: 20_000 } } });
  });

  it.each([
    ["prose", JSON.stringify('Well, [so] it is, {say}, "all", and, '.repeat(20_000))],
    ["a string that does not end", `"${",".repeat(50_000)}`],
    ["as many as there may be", names(MAX_USER_JSON_VALUES)],
    [
      "a hundred messages of ten parts",
      JSON.stringify(
        Array.from({ length: 100 }, () => ({
          id: "m",
          content: Array.from({ length: 10 }, () => ({ type: "text", text: "x".repeat(500) })),
        })),
      ),
    ],
  ])("are taken: %s", (_, text) => {
    expect(() => refuseManyValues(text)).not.toThrow();
  });
});
