import { describe, expect, it } from "vitest";
import { fuzz } from "../support/fuzz-process.ts";
import { KNOWN_SEEDS } from "./known-seeds.ts";

/** How long untried seeds run, and how many of them run even on a slow machine. */
const FRESH_SECONDS = 15;
const LEAST_FRESH_SEEDS = 4;

describe("seeded interleavings of clients, alarms, queues, consumers and crashes", () => {
  it("break no promise in the seeds that broke one before", () => {
    const { output, code } = fuzz("--seed", KNOWN_SEEDS.join());
    expect(code, output).toBe(0);
    expect(output).toContain(`${KNOWN_SEEDS.length} seeds of 200 steps in `);
    expect(output).toContain("every promise held");
  });

  it("break no promise in new random seeds", () => {
    const slice = ["--seconds", String(FRESH_SECONDS), "--least", String(LEAST_FRESH_SEEDS)];
    const { output, code } = fuzz("--from", "fresh", "--seeds", "1000", ...slice);
    console.log(output);
    expect(code, `${output}\nMend what it found, then add the seed to test/fuzz/known-seeds.ts.`).toBe(0);
    const [, done = "0"] = /^(\d+) seeds of 200 steps from \d+ in .*: every promise held$/m.exec(output) ?? [];
    expect(Number(done), output).toBeGreaterThanOrEqual(LEAST_FRESH_SEEDS);
  });
});
