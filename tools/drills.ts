// npm run drills: injects faults into a running service under load.
import { Argument } from "@commander-js/extra-typings";
import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { showTable } from "../scripts/program/table.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { DRILLS } from "./drills/list.ts";
import { type DrillResult, runDrills } from "./drills/run-drills.ts";
import type { Seen } from "./drills/stage.ts";

interface Choice {
  readonly drills: typeof DRILLS;
  readonly isShort: boolean;
}

const names = DRILLS.map(({ name }) => name);

const program = createProgram(
  "npm run drills --",
  "Injects faults into a service under load, and checks chats, alerts and the archive.",
)
  .addArgument(new Argument("[name...]", "run only these (default: all)").choices(names))
  .option("--short", "short outages and few chats", false)
  .option("--list", "list the drills without running them", false)
  .addHelpText(
    "after",
    `
Each drill runs chats on a service of its own, injects a fault, checks for alerts as the cron does, ends the fault,
and verifies: every acknowledged message is there, no context has a silent gap, the archive has what the sessions
have, no call of the agent was paid twice, and the alert was sent once when it started and once when it ended. The
exit code is 0 if all of this holds.

Examples:
  npm run drills -- --list
  npm run drills -- --short ${names[0]}`,
  )
  .action(async (chosen, { short, list }) => {
    if (list) {
      const rows = DRILLS.map(({ name, says }) => [`${name}: ${says}`]);
      console.log(showTable(["drill"], rows).slice(1).join("\n"));
      return;
    }
    const drills = chosen.length === 0 ? DRILLS : DRILLS.filter(({ name }) => chosen.includes(name));
    process.exitCode = await untilInterrupted((signal) => hold({ drills, isShort: short }, signal));
  });

await runProgram(program);

function show(results: readonly DrillResult[], seen: readonly Seen[]): string {
  const steps = seen.map(({ drill, what, atSeconds }) => [`${drill}: ${what}`, `${atSeconds.toFixed(1)} s`]);
  const ends = results.map(({ name, seconds, fault }) => [name, `${seconds} s`, fault === null ? "held" : "FAILED"]);
  const faults = results.flatMap(({ name, fault }) => (fault === null ? [] : [`${name}: ${fault}`]));
  return [
    "",
    ...showTable(["what was seen", "at"], steps),
    "",
    ...showTable(["drill", "took", ""], ends),
    "",
    ...faults,
  ].join("\n");
}

async function hold({ drills, isShort }: Choice, signal: AbortSignal): Promise<number> {
  const directory = makeRunDirectory();
  const seen: Seen[] = [];
  try {
    const bundleDir = await makeBundle(directory, signal);
    const onSeen = (one: Seen): void => {
      seen.push(one);
      console.log(`${one.drill} ${one.atSeconds.toFixed(1)} s: ${one.what}`);
    };
    const results = await runDrills(drills, { directory, bundleDir, isShort, onSeen, signal });
    console.log(show(results, seen));
    return results.length === drills.length && results.every(({ fault }) => fault === null) ? EXIT.ok : EXIT.failed;
  } finally {
    removeRunDirectory(directory);
  }
}
