import fc from "fast-check";
import { expect, it } from "vitest";
import { toIsoTime } from "../../src/session/sqlite/iso-time.ts";

const DAY_MS = 86_400_000;

it("writes each moment as Date does, whatever was written before", () => {
  const moment = fc.integer({ min: Date.UTC(-1_000, 0), max: Date.UTC(12_000, 0) });
  fc.assert(
    fc.property(moment, fc.array(fc.integer({ min: -DAY_MS, max: DAY_MS }), { maxLength: 5 }), (ms, steps) => {
      for (const at of [ms, ...steps.map((step) => ms + step)]) expect(toIsoTime(at)).toBe(new Date(at).toISOString());
    }),
  );
});

it.each([0, 7, 70, 700, 999, DAY_MS - 1, -1])("writes the moment %d", (ms) => {
  expect(toIsoTime(ms)).toBe(new Date(ms).toISOString());
});
