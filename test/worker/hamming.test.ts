import { describe, expect, it } from "vitest";
import { Random } from "../../simulation/random.ts";
import { bitsOf, compiledMeasure, measure } from "../../src/prompt/meaning/hamming.ts";
import hamming from "../../src/prompt/meaning/hamming.wasm";

describe("Hamming distances", () => {
  it.each([
    ["in TypeScript", measure],
    ["in WebAssembly", compiledMeasure(new WebAssembly.Instance(hamming).exports)],
  ])("are as many bits as counted one by one, %s", (_how, measured) => {
    const random = new Random(3);
    for (const words of [4, 8, 16, 32]) {
      // More codes than the module takes at once. Two of them differ from the code in no bit, and in each.
      const codes = Uint32Array.from({ length: 300 * words }, () => random.seed());
      const code = Uint32Array.from({ length: words }, () => random.seed());
      codes.set(code, 0);
      codes.set(
        code.map((word) => ~word),
        299 * words,
      );
      const distances = new Uint16Array(301);
      measured(codes, code, distances, 1);
      const plain = Array.from({ length: 300 }, (_, place) =>
        code.reduce((sum, word, at) => sum + bitsOf(word ^ (codes[place * words + at] ?? 0)), 0),
      );
      expect([...distances]).toEqual([0, ...plain]);
    }
  });

  it("are not computed by a module that exports something else", () => {
    expect(() => compiledMeasure({})).toThrow("Compile hamming.wat");
  });
});
