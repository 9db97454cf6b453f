import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { sample } from "../../scripts/openapi/samples.ts";
import { formatKey, parseKey } from "../../src/access/key-format.ts";
import { randomText } from "../../src/tenant/key-hash.ts";

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const text = (length: number) => fc.string({ unit: fc.constantFrom(...LETTERS), minLength: length, maxLength: length });
const parts = fc.record({ tenant: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/), id: text(12), secret: text(43) });
const known = { tenant: "acme", id: "7Qm2xVb9LcTa", secret: "s".repeat(43) };

describe("a tenant's key", () => {
  it("is read with the parts that it was written from", () => {
    fc.assert(
      fc.property(parts, (key) => {
        expect(parseKey(formatKey(key))).toEqual(key);
      }),
    );
  });

  it("is found by secret scanners, and fits into a header", () => {
    fc.assert(
      fc.property(parts, (key) => {
        expect(formatKey(key)).toMatch(/^tk_[a-z0-9][a-z0-9-]{0,62}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
      }),
    );
  });

  it("is invalid with any one character changed, left out, added or swapped with the next", () => {
    fc.assert(
      fc.property(parts, fc.nat(), fc.constantFrom(...LETTERS, "_", "-", " ", "ß"), (key, place, character) => {
        const whole = formatKey(key);
        const at = place % whole.length;
        const swapped = whole.slice(0, at) + (whole[at + 1] ?? "") + (whole[at] ?? "") + whole.slice(at + 2);
        for (const wrong of [
          whole.slice(0, at) + character + whole.slice(at + 1),
          whole.slice(0, at) + whole.slice(at + 1),
          whole.slice(0, at) + character + whole.slice(at),
          swapped,
        ]) {
          if (wrong !== whole) expect(parseKey(wrong), wrong).toBeNull();
        }
      }),
    );
  });

  it.each([
    ["nothing", ""],
    ["another case", formatKey(known).toUpperCase()],
    ["a line break after it", `${formatKey(known)}\n`],
    ["a tenant that none may be called", formatKey({ ...known, tenant: "-acme" })],
    ["a tenant with a way out of its name", formatKey({ ...known, tenant: "acme/ada" })],
    ["a secret that is too short", formatKey({ ...known, secret: "s".repeat(42) })],
    ["a key of the laptop's", "tk_local_mC4wFZ8sYx0m3tqkP1b7nq2e8rT5vY6u"],
    ["a hundred thousand letters", `tk_${"a".repeat(100_000)}`],
    ["the example of the documents", sample.createdKey.key],
  ])("is not %s", (_, wrong) => {
    expect(parseKey(wrong)).toBeNull();
  });

  it("has a checksum that others compute as CRC-32", () => {
    // Computed with zlib, in digits of base 62.
    expect(formatKey({ tenant: "acme", id: "0".repeat(12), secret: "0".repeat(43) }).slice(-6)).toBe("1jNpnS");
  });
});

describe("the text of a secret", () => {
  afterEach(() => vi.restoreAllMocks());

  it("has each letter equally often, because bytes beyond the last whole alphabet are drawn again", () => {
    const drawn: number[][] = [
      [248, 249, 255, 0],
      [61, 62, 247, 254],
    ];
    vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
      if (array instanceof Uint8Array) array.set(drawn.shift() ?? []);
      return array;
    });
    expect(randomText(4)).toBe("0z0z");
  });
});
