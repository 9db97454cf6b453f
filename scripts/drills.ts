// npm run drills: faults on a running service, and what becomes of chats, alerts and the archive. `--help` tells the rest.
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { showTable } from "./bench/table.ts";
import { DRILLS } from "./drills/list.ts";
import { type DrillResult, runDrills } from "./drills/run-drills.ts";
import type { Seen } from "./drills/stage.ts";
import { readCommandLine, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

const HELP = `npm run drills -- [NAME …]   holds all drills, or those that are named, on a service of their own, and tells what was seen
  --short   outages of seconds, and few chats
  --list    what there is

Each loads the service with chats, makes a fault, looks for alerts as the cron does, ends the fault, and proves: every message that was
acknowledged is there, no context has a silent gap, the archive has what the sessions have, no call of the agent was paid twice, and the
alert was told once when it started and once when it ended. The exit code is 0 if all of it holds.`;

const OPTIONS = { short: { type: "boolean", default: false }, list: { type: "boolean", default: false } } as const;

interface Choice {
  readonly drills: typeof DRILLS;
  readonly isShort: boolean;
  /** Told, and not held. */
  readonly isList: boolean;
}

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, names): Choice => {
  const unknown = names.filter((name) => !DRILLS.some((drill) => drill.name === name));
  if (unknown.length > 0) throw new UsageFault(`there is no drill ${unknown.join(", ")}`);
  const drills = names.length === 0 ? DRILLS : DRILLS.filter(({ name }) => names.includes(name));
  return { drills, isShort: values.short, isList: values.list };
});

await runProgram(commandLine, {
  help: HELP,
  hint: `There are: ${DRILLS.map(({ name }) => name).join(", ")}\nnpm run drills -- --help tells the options.`,
  run: async (choice) => {
    if (!choice.isList) return untilInterrupted((signal) => hold(choice, signal));
    const rows = DRILLS.map(({ name, says }) => [`${name}: ${says}`]);
    console.log(showTable(["drill"], rows).slice(1).join("\n"));
    return EXIT.ok;
  },
});

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
