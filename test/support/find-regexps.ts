import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseAst } from "rolldown/parseAst";

export interface FoundRegExp {
  /** The path from the searched folder. */
  readonly file: string;
  readonly expression: RegExp;
}

/** Every regular expression literal in the TypeScript files of a folder. */
export function findRegExps(folder: string): FoundRegExp[] {
  return sourcesIn(folder).flatMap(({ file, text }) =>
    [...literalsIn(parseAst(text, { lang: "ts" }))].map((expression) => ({ file, expression })),
  );
}

/** Every regular expression that is built from parts when its module is loaded. Modules that build none are not loaded. */
export async function makeRegExps(folder: string): Promise<FoundRegExp[]> {
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
