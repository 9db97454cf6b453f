// npm run import -- FILE…: imports conversations. See `--help`.
import { stateFolder } from "./dev/paths.ts";
import { type ImportOptions, importProgram } from "./import/options.ts";
import { runImport } from "./import/run-import.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

await runProgram(importProgram(run));

function run(options: ImportOptions): Promise<number> {
  const interrupt = new AbortController();
  let interruptedAt = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // Under npm, a program gets Ctrl-C twice at once; only a later one means that the person does not want to wait.
      if (interruptedAt > 0 && Date.now() - interruptedAt > 1_000) process.exit(EXIT.interrupted);
      interruptedAt ||= Date.now();
      interrupt.abort();
    });
  }
  const { stdout, stderr, env } = process;
  const stateDirectory = stateFolder;
  return runImport(options, { stdout, stderr, env, stateDirectory, interrupt: interrupt.signal });
}
