import { expect, it } from "vitest";
import { riseOfSecondHalf } from "../../tools/live/steadiness.ts";

const samples = (count: number, at: (index: number) => number): number[] =>
  Array.from({ length: count }, (_, index) => at(index));

it.each([
  ["that rises to its size at first and stays there", samples(24, (index) => Math.min(300, 200 + 20 * index)), 0],
  ["that leaks at a steady rate", samples(24, (index) => 200 + 10 * index), 0.273],
  ["that leaks late", samples(24, (index) => (index < 18 ? 200 : 200 + 20 * (index - 17))), 0.5],
  ["that falls", samples(24, (index) => 300 - 5 * index), -0.191],
  ["of which one sample is off", samples(24, (index) => (index === 23 ? 260 : 200)), 0.1],
])("memory %s", (_name, values, rise) => {
  expect(riseOfSecondHalf(values)).toBeCloseTo(rise, 3);
});

it("memory with too few samples is not judged", () => {
  expect(riseOfSecondHalf(samples(11, (index) => index))).toBeNull();
});
