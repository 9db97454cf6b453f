// npm run drills: faults on a running service, and what becomes of chats, alerts and the archive. `--help` tells the rest.
import { parseArgs } from "node:util";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { showTable } from "./bench/table.ts";
import { StartError } from "./dev/start-error.ts";
import { DRILLS } from "./drills/list.ts";
import { type DrillResult, runDrills } from "./drills/run-drills.ts";
import type { Seen } from "./drills/stage.ts";

const HELP = `npm run drills -- [NAME …]   holds all drills, or those that are named, on a service of their own, and tells what was seen
  --short   outages of seconds, and few chats
  --list    what there is

Each loads the service with chats, makes a fault, looks for alerts as the cron does, ends the fault, and proves: every message that was
acknowledged is there, no context has a silent gap, the archive has what the sessions have, no call of the agent was paid twice, and the
alert was told once when it started and once when it ended. The exit code is 0 if all of it holds.`;

const { values, positionals } = readArguments();

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        short: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(64);
  }
}

function chosenDrills(): typeof DRILLS {
  const unknown = positionals.filter((name) => !DRILLS.some((drill) => drill.name === name));
  if (unknown.length > 0) {
    console.error(`There is no drill ${unknown.join(", ")}. There are: ${DRILLS.map(({ name }) => name).join(", ")}`);
    process.exit(64);
  }
  return positionals.length === 0 ? DRILLS : DRILLS.filter(({ name }) => positionals.includes(name));
}

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

async function hold(): Promise<void> {
  const drills = chosenDrills();
  const { signal } = interruption;
  const directory = makeRunDirectory();
  const seen: Seen[] = [];
  try {
    const bundleDir = await makeBundle(directory, signal);
    const onSeen = (one: Seen): void => {
      seen.push(one);
      console.log(`${one.drill} ${one.atSeconds.toFixed(1)} s: ${one.what}`);
    };
    const results = await runDrills(drills, { directory, bundleDir, isShort: values.short, onSeen, signal });
    console.log(show(results, seen));
    process.exitCode = results.length === drills.length && results.every(({ fault }) => fault === null) ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) console.error(error instanceof StartError ? `\n${error.message}` : error);
    process.exitCode = signal.aborted ? 130 : 1;
  } finally {
    removeRunDirectory(directory);
  }
}

if (values.help) console.log(HELP);
else if (values.list)
  console.log(
    showTable(
      ["drill"],
      DRILLS.map(({ name, says }) => [`${name}: ${says}`]),
    )
      .slice(1)
      .join("\n"),
  );
else await hold();
