// npm run measure-capacity: what each operation takes of all that the platform bills. `--help` tells the rest.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Measured, MEASURED_FILE } from "../scripts/bill/measured.ts";
import { createScreen } from "../scripts/demo/screen.ts";
import { projectRoot } from "../scripts/dev/paths.ts";
import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { describeMachine } from "./bench/machine.ts";
import { measure } from "./capacity/measure.ts";

const program = createProgram(
  "npm run measure-capacity --",
  "What each operation takes: rows, calls, spans, bytes, processor time; about four minutes.",
)
  .addHelpText(
    "after",
    `
It starts two services of its own, one after the other, with a state that is removed in the end. From the first it counts
what the runtime itself notes of each request and of what follows in the background; of the second it takes the processor
time. The result is written to scripts/bill/measured.json, from which npm run capacity computes. Commit it together with the
tables that npm run capacity prints anew.`,
  )
  .action(async () => {
    process.exitCode = await untilInterrupted(run);
  });

await runProgram(program);

async function run(signal: AbortSignal): Promise<number> {
  const news = createScreen(process.stderr, process.env);
  const onStep = (text: string): void => news.line(text, "quiet");
  const directory = makeRunDirectory();
  try {
    onStep("bundling");
    const bundleDir = await makeBundle(directory, signal);
    mkdirSync(path.join(directory, "states"));
    const quantities = await measure({ directory: path.join(directory, "states"), bundleDir, signal, onStep });
    const { processor, cores, node, workerd } = describeMachine();
    const measured: Measured = {
      measuredOn: new Date().toISOString().slice(0, 10),
      commit: commitNow(),
      machine: `${cores} cores, ${processor}, Node ${node}, workerd ${workerd}`,
      ...quantities,
    };
    writeFileSync(MEASURED_FILE, `${JSON.stringify(measured, null, 2)}\n`);
    console.log(JSON.stringify(measured, null, 2));
    return EXIT.ok;
  } finally {
    removeRunDirectory(directory);
  }
}

/** With a mark if files differ from it. */
function commitNow(): string {
  const { stdout } = spawnSync("git", ["describe", "--always", "--dirty", "--exclude=*"], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  return stdout.trim();
}
