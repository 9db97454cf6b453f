import { describe, expect, it } from "vitest";
import { fuzz } from "../support/simulation/fuzz-process.ts";

describe("seeded interleavings of clients, alarms, queues, consumers and crashes", () => {
  it.each([1, 500_001])("break no promise, in the seeds from %i on, as many as ten seconds take", (from) => {
    const { output, code } = fuzz("--from", String(from), "--seeds", "100", "--seconds", "10");
    console.log(output);
    expect(code, output).toBe(0);
    expect(output).toContain("every promise held");
  });
});
