import { describe, expect, it } from "vitest";
import { fuzz } from "../support/simulation/fuzz-process.ts";
import { PLANTED_BUGS } from "../support/simulation/planted-bugs.ts";

describe("the simulation finds what it is there for", () => {
  it("catches each planted bug within 200 seeds", () => {
    // From the seed where it is known to show: `npm run fuzz -- --planted` looks for it from the first.
    const { output, code } = fuzz("--planted", "--known");
    console.log(output);
    expect(code, output).toBe(0);
    for (const bug of Object.keys(PLANTED_BUGS)) expect(output).toMatch(new RegExp(`${bug} +caught`));
  });

  it("refuses a bug that nobody has planted, and names those that there are", () => {
    const { output, code } = fuzz("--seed", "1", "--bug", "no-such-bug");
    expect(code).not.toBe(0);
    expect(output).toContain('There is no planted bug "no-such-bug"');
    expect(output).toContain("stale-archive-write");
  });

  it("prints the steps that a failure needs, and how to see it again", () => {
    const { output, code } = fuzz("--seed", "1", "--bug", "omitted-off-by-one");
    expect(code).toBe(1);
    expect(output).toMatch(/Seed 1 breaks promise 5: seq \d+ is silently missing/);
    expect(output).toMatch(/^ +1 {2}append chat-\d: /m);
    expect(output).toContain("Replay: npm run fuzz -- --seed 1 --bug omitted-off-by-one");
    expect(output.match(/^ +\d+ {2}/gm)?.length).toBeLessThan(12);
  });
});
