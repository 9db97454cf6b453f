import path from "node:path";
// npm run ops -- OPERATION: has something done to many sessions of a running Threadkeep. `help` tells the rest.
import { createInterface } from "node:readline/promises";
import { projectRoot } from "./dev/paths.ts";
import { HELP, parseOptions } from "./ops/options.ts";
import { EXIT, runOps } from "./ops/run-ops.ts";

const parsed = parseOptions(process.argv.slice(2));
if ("help" in parsed) console.log(HELP);
else if ("fault" in parsed) {
  console.error(`${parsed.fault}\nnpm run ops -- help tells the operations.`);
  process.exitCode = EXIT.usage;
} else {
  const { stdin, stdout, stderr, env } = process;
  process.exitCode = await runOps(parsed.options, {
    stdout,
    stderr,
    env,
    stateDirectory: path.join(projectRoot, ".threadkeep"),
    ask: stdin.isTTY && stderr.isTTY ? ask : null,
  });
}

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
