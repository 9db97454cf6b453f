import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { findRegExps, makeRegExps } from "../support/find-regexps.ts";
import { findHardText, stepThrough } from "../support/regexp-steps.ts";

const root = path.resolve(import.meta.dirname, "../..");

describe("the counter of steps", () => {
  it.each([
    [/\s*\n\s*/g, "spaces before something that is no line end"],
    [/=+$/, "a run that does not end the text"],
    [/^(?:a+)+$/, "a run in a run"],
    [/(?:a|ab)*c/, "two ways to read the same"],
    [/<!--[^]*?-->/g, "beginnings without an end"],
    [/[a-z.]+@/g, "words that no sign follows"],
    [/^x?\s*y?\s*z/, "two runs that take the same"],
    [/\b[\w-]{8,}\.x/, "a run with many edges of words in it"],
    [/(?:\s*;\s*|\s+-+\s+)/u, "one choice of several"],
  ])("finds a text for which %s takes too many steps: %s", (expression) => {
    expect(findHardText(expression)).not.toBeNull();
  });

  it.each([/\s+/g, /(?<!=)=+$/, /^a+$/, /[a-z]+/g, /^[^,]*,[^,]*,/, /\d{1,9}x/g, /(?<=a)b+/g])(
    "finds none for %s",
    (expression) => {
      expect(findHardText(expression)).toBeNull();
    },
  );

  it("counts all matches, wherever it starts", () => {
    const { steps } = stepThrough(/a+b/);
    expect(steps("a".repeat(40)) / steps("a".repeat(20))).toBeGreaterThan(3);
    expect(steps("ab".repeat(40)) / steps("ab".repeat(20))).toBeCloseTo(2, 0);
  });
});

describe("every regular expression", () => {
  it.each([
    ["src", 100],
    ["client/src", 5],
  ])("of %s takes at most twice as many steps for twice the text", (folder, least) => {
    const found = findRegExps(path.join(root, folder));
    expect(found.length).toBeGreaterThan(least);
    const hard = found.flatMap(({ file, expression }) => {
      const text = findHardText(expression);
      return text === null ? [] : [`${file} ${expression}: ${JSON.stringify(text)}`];
    });
    expect(hard).toEqual([]);
  });

  it("that src builds from parts takes no more, either", async () => {
    vi.resetModules(); // Other test files may have loaded some already.
    const made = await makeRegExps(path.join(root, "src"));
    expect(made.length).toBeGreaterThan(10);
    const hard = made.flatMap(({ file, expression }) =>
      findHardText(expression) === null ? [] : `${file} ${expression}`,
    );
    expect(hard).toEqual([]);
  });
});
