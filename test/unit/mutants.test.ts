import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { plant } from "../../tools/mutants/mutant.ts";
import { MUTANTS } from "../mutants/list.ts";

describe("the planted bugs of npm run mutants", () => {
  it("have different names", () => {
    const names = MUTANTS.map(({ file, name }) => `${file}: ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(MUTANTS)("can be planted, and name existing tests: $file, $name", (mutant) => {
    const source = readFileSync(path.join(projectRoot, mutant.file), "utf8");
    const planted = plant(source, mutant);
    expect(planted, "stands there exactly once").not.toBeNull();
    expect(planted).not.toBe(source);
    for (const test of mutant.tests) {
      const directory = path.join(projectRoot, "test", path.dirname(test));
      const base = path.basename(test);
      expect(existsSync(directory) && readdirSync(directory).some((name) => name.startsWith(base)), test).toBe(true);
    }
  });
});
