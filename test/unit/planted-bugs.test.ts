import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FOUND_LATE, patchesOf, PLANTED_BUGS, SOUND } from "../../simulation/planted-bugs.ts";

const SOURCES = new URL("../../src/", import.meta.url);

describe("the text that a planted bug replaces in the source", () => {
  it.each([SOUND, ...Object.keys(PLANTED_BUGS)])("occurs exactly once: %s", (variant) => {
    for (const { file, replace } of patchesOf(variant)) {
      const text = readFileSync(new URL(file, SOURCES), "utf8");
      expect(text.split(replace).length - 1, `${file}: ${replace}`).toBe(1);
    }
  });

  it("belongs to an existing bug if it is named as one that is found late", () => {
    expect(Object.keys(PLANTED_BUGS)).toEqual(expect.arrayContaining([...FOUND_LATE]));
  });

  it("belongs to as many bugs as the document of guarantees says", () => {
    const guarantees = readFileSync(new URL("../docs/guarantees.md", SOURCES), "utf8");
    expect(guarantees).toContain(
      `has to find ${Object.keys(PLANTED_BUGS).length} bugs that can be planted in the code`,
    );
  });
});
