import { describe, expect, it } from "vitest";
import { fuzz } from "../support/fuzz-process.ts";

/** Each run looks for a few bugs, for a limited time; `npm run fuzz -- --planted` looks for all of them. */
const BUGS_A_RUN = 5;
const SECONDS = 15;

describe("the simulation finds bugs", () => {
  it("catches planted bugs within 200 seeds, starting from another seed each time", () => {
    const { output, code } = fuzz("--planted", "--some", String(BUGS_A_RUN), "--seconds", String(SECONDS));
    console.log(output);
    expect(code, output).toBe(0);
    expect(output).not.toContain("MISSED");
    expect(output).toMatch(/^[a-z-]+ +caught by seed \d+ /m);
  });

  it("refuses an unknown bug, and names the known ones", () => {
    const { output, code } = fuzz("--seed", "1", "--bug", "no-such-bug");
    expect(code).not.toBe(0);
    expect(output).toContain("'no-such-bug' is invalid");
    expect(output).toContain("stale-archive-write");
  });

  it("prints the steps that a failure needs, and the command that repeats it", () => {
    const { output, code } = fuzz("--seed", "1", "--bug", "omitted-off-by-one");
    expect(code).toBe(1);
    expect(output).toMatch(/Seed 1 breaks promise 5: seq \d+ is silently missing/);
    expect(output).toMatch(/^ +1 {2}append chat-\d: /m);
    expect(output).toContain("Replay: npm run fuzz -- --seed 1 --bug omitted-off-by-one");
    expect(output.match(/^ +\d+ {2}/gm)?.length).toBeLessThan(12);
  });

  it("stops a seed that does not end, and prints the command that repeats it", () => {
    const { output, code } = fuzz("--seed", "1", "--steps", "50000", "--deadline", "1");
    expect(code).toBe(1);
    expect(output).toContain("Seed 1 breaks the simulation: it has not ended after 1 s of processor time");
    expect(output).toContain("Replay: npm run fuzz -- --seed 1 --steps 50000");
  });
});
