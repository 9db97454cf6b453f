// npm run measure-capacity: what each operation takes of everything that the platform bills.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Measured, MEASURED_FILE, readMeasured } from "../scripts/bill/measured.ts";
import { createScreen } from "../scripts/demo/screen.ts";
import { projectRoot } from "../scripts/dev/paths.ts";
import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { describeMachine } from "./bench/machine.ts";
import { measure, measureArchive, type MeasureParts } from "./capacity/measure.ts";

const program = createProgram(
  "npm run measure-capacity --",
  "Measures what each operation takes: rows, calls, spans, bytes, processor time. It takes about four minutes.",
)
  .option(
    "--archive",
    "measure only the bytes in PostgreSQL, which needs no quiet machine, and keep the other figures",
    false,
  )
  .addHelpText(
    "after",
    `
It starts two services, one after the other, with data that it deletes at the end. On the first it counts what the
runtime itself records for each request and the background work behind it; on the second it measures processor time.
The result goes to scripts/bill/measured.json, from which npm run capacity computes the bill. Commit it together with
the tables of docs/capacity.md, which npm run capacity prints.`,
  )
  .action(async ({ archive }) => {
    process.exitCode = await untilInterrupted((signal) => run(signal, archive ? archiveOf : allOf));
  });

await runProgram(program);

async function run(signal: AbortSignal, measuredOf: (parts: MeasureParts) => Promise<Measured>): Promise<number> {
  const news = createScreen(process.stderr, process.env);
  const onStep = (text: string): void => news.line(text, "quiet");
  const directory = makeRunDirectory();
  try {
    onStep("bundling");
    const bundleDir = await makeBundle(directory, signal);
    mkdirSync(path.join(directory, "states"));
    const measured = await measuredOf({ directory: path.join(directory, "states"), bundleDir, signal, onStep });
    writeFileSync(MEASURED_FILE, `${JSON.stringify(measured, null, 2)}\n`);
    console.log(JSON.stringify(measured, null, 2));
    return EXIT.ok;
  } finally {
    removeRunDirectory(directory);
  }
}

async function allOf(parts: MeasureParts): Promise<Measured> {
  const quantities = await measure(parts);
  const { processor, cores, node, workerd } = describeMachine();
  const now = { measuredOn: new Date().toISOString().slice(0, 10), commit: commitNow() };
  const machine = `${cores} cores, ${processor}, Node ${node}, workerd ${workerd}`;
  return { ...now, machine, archive: now, ...quantities };
}

async function archiveOf(parts: MeasureParts): Promise<Measured> {
  const measured = readMeasured();
  const { bytes, tables } = await measureArchive(parts);
  parts.onStep(`bytes of a session in PostgreSQL, by table and index:\n${tables}`);
  return {
    ...measured,
    archive: { measuredOn: new Date().toISOString().slice(0, 10), commit: commitNow() },
    bytes: { ...measured.bytes, ...bytes },
  };
}

/** The commit, with a mark if files differ from it. */
function commitNow(): string {
  const { stdout } = spawnSync("git", ["describe", "--always", "--dirty", "--exclude=*"], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  return stdout.trim();
}
