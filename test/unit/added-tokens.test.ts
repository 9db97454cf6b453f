import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Content } from "../../src/api/message.ts";
import { addedTokens } from "../../src/prompt/added-tokens.ts";
import { FILE_TOKENS } from "../../src/prompt/file-tokens.ts";
import { contentTokens } from "../../src/prompt/message-text.ts";
import { anyCharacter } from "../support/any-character.ts";

const ANSWER = "The invoice went to the harbour office in Lisbon on Friday, and Ada paid it in the afternoon. ".repeat(
  20,
);

const text = (value: string): Content => [{ type: "text", text: value }];

describe("the tokens that an edit adds", () => {
  test("are those of the whole content if there was none", () => {
    expect(addedTokens("", ANSWER)).toBe(contentTokens(ANSWER));
    expect(addedTokens(text(""), text(ANSWER))).toBeGreaterThanOrEqual(contentTokens(ANSWER));
  });

  test("are about the same in total for an answer that grows bit by bit and for one that comes whole", () => {
    for (const content of [(value: string): Content => value, text]) {
      let sum = 0;
      const steps = 40;
      const upTo = (step: number): Content => content(ANSWER.slice(0, Math.floor((ANSWER.length * step) / steps)));
      for (let step = 1; step <= steps; step += 1) sum += addedTokens(upTo(step - 1), upTo(step));
      expect(sum).toBeGreaterThan(0.95 * contentTokens(content(ANSWER)));
      expect(sum).toBeLessThan(1.6 * contentTokens(content(ANSWER)));
    }
  });

  test("are those of the whole new text if it replaces another one", () => {
    const other = ANSWER.split("").toReversed().join("");
    expect(addedTokens(ANSWER, other)).toBeGreaterThan(0.9 * contentTokens(other));
    expect(addedTokens(`${ANSWER}${ANSWER}`, other)).toBeGreaterThan(0.9 * contentTokens(other));
  });

  test("are few for a corrected word, and none for removed text", () => {
    expect(addedTokens(ANSWER, ANSWER.replace("Lisbon", "Porto"))).toBeLessThan(5);
    expect(addedTokens(ANSWER, ANSWER.slice(0, 100))).toBe(0);
    expect(addedTokens(ANSWER, "")).toBe(0);
    expect(addedTokens(ANSWER, ANSWER)).toBe(0);
  });

  test("are the fixed charge for a file, however long its data is", () => {
    const file: Content = [{ type: "file", mediaType: "image/png", data: "aGVsbG8g".repeat(4_000) }];
    expect(addedTokens("", file)).toBe(FILE_TOKENS);
  });

  test("are at least the growth of the content, and at most its size", () => {
    const content = fc.oneof(fc.string({ unit: anyCharacter, maxLength: 60 }), fc.string({ maxLength: 60 }).map(text));
    fc.assert(
      fc.property(content, content, (before, after) => {
        const added = addedTokens(before, after);
        expect(added).toBeGreaterThanOrEqual(contentTokens(after) - contentTokens(before));
        expect(added).toBeGreaterThanOrEqual(0);
        expect(added).toBeLessThanOrEqual(contentTokens(after));
      }),
    );
  });
});
