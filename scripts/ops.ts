// npm run ops -- OPERATION: runs an operation over many sessions of a running service. See `--help`.
import { createInterface } from "node:readline/promises";
import { stateFolder } from "./dev/paths.ts";
import { opsProgram } from "./ops/options.ts";
import { runOps } from "./ops/run-ops.ts";
import { runProgram } from "./program/run-program.ts";

const { stdin, stdout, stderr, env } = process;
await runProgram(
  opsProgram((options) =>
    runOps(options, {
      stdout,
      stderr,
      env,
      stateDirectory: stateFolder,
      ask: stdin.isTTY && stderr.isTTY ? ask : null,
    }),
  ),
);

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
