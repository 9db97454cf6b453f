import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseAst } from "rolldown/parseAst";
import { describe, expect, it, vi } from "vitest";
import { findHardText, stepThrough } from "../support/regexp-steps.ts";

interface FoundRegExp {
  /** The path from the searched folder. */
  readonly file: string;
  readonly expression: RegExp;
}

/** Every regular expression literal in the TypeScript files of a folder. */
function findRegExps(folder: string): FoundRegExp[] {
  return sourcesIn(folder).flatMap(({ file, text }) =>
    [...literalsIn(parseAst(text, { lang: "ts" }))].map((expression) => ({ file, expression })),
  );
}

/** Every regular expression that is built from parts when its module is loaded. Modules that build none are not loaded. */
async function makeRegExps(folder: string): Promise<FoundRegExp[]> {
  const made: FoundRegExp[] = [];
  const Original = RegExp;
  try {
    for (const { file, text } of sourcesIn(folder)) {
      if (!text.includes("new RegExp(")) continue;
      globalThis.RegExp = new Proxy(Original, {
        construct(target, args: ConstructorParameters<RegExpConstructor>) {
          const expression = new target(...args);
          made.push({ file, expression });
          return expression;
        },
      });
      await import(pathToFileURL(path.join(folder, file)).href);
    }
  } finally {
    globalThis.RegExp = Original;
  }
  return made;
}

function sourcesIn(folder: string): { readonly file: string; readonly text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .toSorted()
    .map((file) => ({ file, text: readFileSync(path.join(folder, file), "utf8") }));
}

function* literalsIn(node: unknown): Generator<RegExp> {
  if (typeof node !== "object" || node === null) return;
  if ("regex" in node && isLiteral(node.regex)) yield new RegExp(node.regex.pattern, node.regex.flags);
  else for (const value of Object.values(node)) yield* literalsIn(value);
}

function isLiteral(value: unknown): value is { readonly pattern: string; readonly flags: string } {
  return typeof value === "object" && value !== null && "pattern" in value && "flags" in value;
}

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
