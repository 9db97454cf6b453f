import fc from "fast-check";

/** Half of a pair each, and no character by itself. */
const FIRST_SURROGATE = 0xd800;
const SURROGATES = 0x800;
const LAST_CODE_POINT = 0x10_ffff;

/**
 * Any character there is. The distribution is that of fast-check's unit "binary", which lists all 1.1 million of them in each process
 * before the first use.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat({ max: LAST_CODE_POINT - SURROGATES })
  .map((index) => String.fromCodePoint(index < FIRST_SURROGATE ? index : index + SURROGATES), indexOf);

/** Reads a counterexample back; throws if it is not one character. */
function indexOf(text: unknown): number {
  const point = typeof text === "string" ? text.codePointAt(0) : undefined;
  if (point === undefined || String.fromCodePoint(point) !== text || !text.isWellFormed()) {
    throw new Error("Not one character");
  }
  return point < FIRST_SURROGATE ? point : point - SURROGATES;
}
