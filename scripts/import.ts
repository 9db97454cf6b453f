// npm run import -- FILE…: loads conversations. `--help` tells the rest.
import { fileURLToPath } from "node:url";
import { HELP, parseOptions } from "./import/options.ts";
import { EXIT, runImport } from "./import/run-import.ts";

const parsed = parseOptions(process.argv.slice(2));
if ("help" in parsed) {
  console.log(HELP);
} else if ("fault" in parsed) {
  console.error(`${parsed.fault}\nnpm run import -- --help tells the options.`);
  process.exitCode = EXIT.usage;
} else {
  const interrupt = new AbortController();
  let interruptedAt = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // Ctrl-C reaches a program under npm twice at once; only a later one means that the person will not wait.
      if (interruptedAt > 0 && Date.now() - interruptedAt > 1_000) process.exit(EXIT.interrupted);
      interruptedAt ||= Date.now();
      interrupt.abort();
    });
  }
  process.exitCode = await runImport(parsed.options, {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    stateDirectory: fileURLToPath(new URL("../.threadkeep", import.meta.url)),
    interrupt: interrupt.signal,
  });
}
