import { describe, expect, inject, it } from "vitest";
import { DRILLS } from "../../tools/drills/list.ts";
import { runDrills } from "../../tools/drills/run-drills.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** Several times what the drills take on a quiet machine, because each waits for what it has to see. */
const TIMEOUT_MS = 600_000;

/** The drills of one row run one after the other on one service. */
const ROWS = [
  ["postgres-away", "agent-gone", "failing-write"],
  ["workflow-restart", "poison-job", "two-versions", "queue-paused"],
];

describe.concurrent("nothing is lost, and alerts start and end, in the drill", () => {
  it.for(ROWS.map((names) => ({ names, title: names.join(", then ") })))(
    "$title",
    { timeout: TIMEOUT_MS },
    async ({ names }, { onTestFinished }) => {
      const directory = makeTemporaryDirectory();
      onTestFinished(() => removeDirectory(directory));
      const drills = DRILLS.filter(({ name }) => names.includes(name));
      const results = await runDrills(drills, {
        directory,
        bundleDir: inject("bundleDir"),
        isShort: true,
        onSeen: ({ drill, what, atSeconds }) => console.log(`${drill} ${atSeconds} s: ${what}`),
      });
      expect(results.filter(({ fault }) => fault !== null)).toEqual([]);
      expect(results.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    },
  );
});

it("every drill is run by a test", () => {
  expect(DRILLS.map(({ name }) => name).toSorted()).toEqual(ROWS.flat().toSorted());
});
