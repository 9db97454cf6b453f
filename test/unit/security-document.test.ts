import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const FILE = "docs/security.md";
const text = readFileSync(FILE, "utf8");
const links = Array.from(text.matchAll(/\]\((\.\.\/[^)#" ]+)[^)]*\)/g), ([, target = ""]) =>
  path.posix.join(path.posix.dirname(FILE), target),
);
const [, section = ""] = /^## Threats\n(.*?)^## /ms.exec(text) ?? [];
const threats = section
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| threat ") && !line.startsWith("| --- "));

describe("the threat model", () => {
  it("names files that exist", () => {
    expect(links.length).toBeGreaterThan(40);
    for (const link of links) expect(existsSync(link), link).toBe(true);
  });

  it("names for each threat a defence, where it is, and a test that attacks it", () => {
    expect(threats.length).toBeGreaterThan(40);
    for (const line of threats) {
      const [threat = "", defence = "", place = "", test = ""] = line.slice(2, -2).split(" | ");
      expect(defence.length, threat).toBeGreaterThan(10);
      expect(place.length, threat).toBeGreaterThan(5);
      expect(test, threat).toMatch(/\]\(\.\.\/test\/[\w/-]+\.test\.ts "/);
    }
  });

  it("names those tests exactly as their files do, in the title of each link", () => {
    for (const line of threats) {
      const named = [...line.matchAll(/\]\(\.\.\/(test\/[\w/-]+\.test\.ts)(?: "([^"]*)")?\)/g)];
      for (const [, file = "", title = ""] of named) {
        expect(title, `${file} in: ${line.slice(0, 80)}`).not.toBe("");
        // The name of a test or a group of tests, with or without a table of cases before it.
        const source = readFileSync(file, "utf8");
        const isCalledSo = [`("${title}"`, `(\`${title}\``].some((call) =>
          source.replaceAll(/\(\s+/g, "(").includes(call),
        );
        expect(isCalledSo, `${file} has no test "${title}"`).toBe(true);
      }
    }
  });
});
