import { describe, expect, it } from "vitest";
import { crashProgram, VICTIMS } from "../../tools/crash/options.ts";
import { planKills } from "../../tools/crash/plan.ts";
import { showReport } from "../../tools/crash/report.ts";
import type { CrashReport } from "../../tools/crash/run-crash.ts";
import { readCommandLine } from "../support/command-line.ts";

describe("the plan of kills", () => {
  it("is the same for the same seed, and kills each victim equally often, within the time", () => {
    const plan = planKills(30, VICTIMS, 2_000, 5);
    expect(plan).toEqual(planKills(30, VICTIMS, 2_000, 5));
    expect(plan).not.toEqual(planKills(30, VICTIMS, 2_000, 6));
    for (const victim of VICTIMS) expect(plan.filter((kill) => kill.victim === victim)).toHaveLength(10);
    for (const { afterMs } of plan) expect(afterMs).toBeLessThan(2_000);
    expect(new Set(plan.map(({ afterMs }) => afterMs)).size).toBeGreaterThan(20);
  });
});

describe("the command line of the crashes", () => {
  it("kills everything twenty times by default, with a random seed", async () => {
    expect(await readCommandLine(crashProgram, [])).toMatchObject({
      options: { kills: 20, victims: VICTIMS, chats: 6, withinMs: 3_000 },
    });
    expect(await readCommandLine(crashProgram, ["--of", "both", "--of", "service", "--seed", "0"])).toMatchObject({
      options: { victims: ["service", "both"], seed: 0 },
    });
  });

  it.each([
    [["--kills", "0"], "--kills"],
    [["--kills", "1001"], "--kills"],
    [["--of", "laptop"], "laptop"],
    [["--within", "1.5"], "--within"],
    [["200"], "200"],
  ])("refuses %j, and says what is wrong", async (args, named) => {
    const parsed = await readCommandLine(crashProgram, args);
    expect("fault" in parsed && parsed.fault).toContain(named);
  });
});

it("a report of a fault says how to repeat it, and where the data is", () => {
  const report: CrashReport = {
    startedAt: "2026-11-30T00:00:00.000Z",
    seconds: 12,
    options: { kills: 20, victims: VICTIMS, chats: 6, withinMs: 3_000, seed: 77 },
    kills: [
      { victim: "both", afterMs: 1, downMs: 2, acknowledgedBefore: 3, acknowledged: 4, messages: 5, unanswered: 6 },
    ],
    summaries: null,
    fault: "kill-2-1:7 was acknowledged as 7 and is lost",
    leftIn: "/tmp/threadkeep-bench-x",
  };
  const text = showReport(report);
  expect(text).toContain("BROKEN: kill-2-1:7 was acknowledged as 7 and is lost");
  expect(text).toContain("--seed 77");
  expect(text).toContain("/tmp/threadkeep-bench-x");
  expect(showReport({ ...report, fault: null, leftIn: null, summaries: 9 })).toMatch(/^held: .* 9 versions/m);
});
