import { globSync, readFileSync } from "node:fs";
import { parseSync } from "rolldown/utils";
import { describe, expect, it } from "vitest";

/**
 * What may stand in the text of a statement besides literal text: constants of the code, named in capitals, and words that it
 * chooses among a few of its own. Whatever comes from outside is a parameter.
 */
const OWN_WORDS = [
  /^[A-Z][A-Z_]*$/,
  /^overwritten\(("\w+"|column)\)$/,
  /^zeros\.join\(", "\)$/,
  /^(condition|query|where|statement|filling)$/,
  /^(table|place)$/,
  /^textsOf\("[\w, ]+", "[?\w.]+"\)$/,
  /^withoutComments\(TABLE_GROUPS\[name\]\)$/,
  /^digits\(0\)$/,
  /^withTerms \? TERMS : "NULL"$/,
];

interface Statement {
  readonly where: string;
  /** The code between `${` and `}`; the whole code if the text is not a literal. */
  readonly expressions: readonly string[];
}

/** The first argument of every call of `sql.exec`, and of drizzle's `sql.raw`, which inserts a text unchanged. */
function statementsOf(file: string): Statement[] {
  const source = readFileSync(file, "utf8");
  const statements: Statement[] = [];
  const text = (node: Node): string => source.slice(node.start, node.end);
  walk(parseSync(file, source).program, (node) => {
    if (node.type !== "CallExpression" || node.callee?.type !== "MemberExpression") return;
    const method = node.callee.property?.name;
    const [first] = node.arguments ?? [];
    if (first === undefined || (method !== "exec" && method !== "raw")) return;
    if (!/(^|[.#])sql$|\.#(?:session|changes)$/.test(text(node.callee.object ?? node))) return;
    const where = `${file}:${source.slice(0, node.start).split("\n").length}`;
    if (first.type === "Literal") statements.push({ where, expressions: [] });
    else if (first.type === "TemplateLiteral") {
      statements.push({ where, expressions: (first.expressions ?? []).map(text) });
    } else statements.push({ where, expressions: [text(first)] });
  });
  return statements;
}

interface Node {
  readonly type?: string;
  readonly start: number;
  readonly end: number;
  readonly callee?: Node & { readonly property?: { readonly name?: string }; readonly object?: Node };
  readonly arguments?: readonly Node[];
  readonly expressions?: readonly Node[];
}

function walk(value: unknown, look: (node: Node) => void): void {
  if (Array.isArray(value)) for (const entry of value) walk(entry, look);
  else if (typeof value === "object" && value !== null) {
    if ("type" in value) look(value as Node);
    for (const entry of Object.values(value)) walk(entry, look);
  }
}

describe("a statement", () => {
  const files = globSync("src/**/*.ts");
  const statements = files.flatMap(statementsOf);

  it("is found wherever statements are", () => {
    expect(
      statements.filter(({ where }) => /^src\/session\/(?:[\w-]+\/)?[\w-]*store\.ts:/.test(where)).length,
    ).toBeGreaterThan(60);
    expect(statements.filter(({ where }) => /^src\/(?:directory|tenant|control)\//.test(where)).length).toBeGreaterThan(
      5,
    );
  });

  it("is built only from the code's own words: input from outside is a parameter", () => {
    const foreign = statements.flatMap(({ where, expressions }) =>
      expressions
        .filter((expression) => !OWN_WORDS.some((own) => own.test(expression)))
        .map((expression) => `${where}: ${expression}`),
    );
    expect(foreign).toEqual([]);
  });
});
