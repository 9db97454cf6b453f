import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";

const architecture = readFileSync(path.join(projectRoot, "docs/architecture.md"), "utf8");

/** The files that a paragraph of the document names. */
function filesOf(beginning: string): string[] {
  const paragraph = architecture.split("\n\n").find((text) => text.startsWith(beginning)) ?? "";
  return [...paragraph.matchAll(/`(src\/[^`]+)`/g)].map(([, file = ""]) => file);
}

/** Whether a file imports another one, directly or through the index of its slice. */
function imports(from: string, to: string): boolean {
  const named = new Set(
    [...readFileSync(path.join(projectRoot, from), "utf8").matchAll(/ from "(\.[^"]+)"/g)].map(([, specifier = ""]) =>
      path.posix.join(path.posix.dirname(from), specifier),
    ),
  );
  const index = path.posix.join(path.posix.dirname(to), "index.ts");
  return named.has(to) || (named.has(index) && imports(index, to));
}

test.each([
  ["The way of an append", 10],
  ["The way of a search", 9],
  ["What decides about the erasure", 10],
])("%s is described with at most %d files, all of which exist", (beginning, most) => {
  const files = filesOf(beginning);
  expect(files.length).toBeGreaterThan(5);
  expect(files.length).toBeLessThanOrEqual(most);
  expect(files.filter((file) => !existsSync(path.join(projectRoot, file)))).toEqual([]);
});

test.each([
  ["The way of an append", "src/session/object.ts", "src/session/log/append-for-client.ts"],
  ["The way of an append", "src/session/log/append-for-client.ts", "src/session/log/append.ts"],
  ["The way of an append", "src/http/app.ts", "src/http/routes/messages.ts"],
  ["The way of an append", "src/http/routes/messages.ts", "src/usecases/messages.ts"],
  ["The way of a search", "src/http/routes/search.ts", "src/usecases/search.ts"],
  ["The way of a search", "src/session/object.ts", "src/session/search/retrieve.ts"],
  ["The way of a search", "src/session/search/text-index.ts", "src/session/search/tables.ts"],
  ["What decides about the erasure", "src/session/log/edit-for-client.ts", "src/session/erase/erase.ts"],
  ["What decides about the erasure", "src/session/erase/erase.ts", "src/session/erase/invalidate.ts"],
])("%s goes from %s to %s", (beginning, from, to) => {
  const files = filesOf(beginning);
  expect(files.indexOf(from)).toBeGreaterThanOrEqual(0);
  expect(files.indexOf(to)).toBeGreaterThan(files.indexOf(from));
  expect(imports(from, to)).toBe(true);
});
