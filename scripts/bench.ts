// npm run bench: measures the service as it is deployed. `--help` tells the rest.
import { HELP, parseOptions } from "./bench/options.ts";
import { runBench } from "./bench/run-bench.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

const { argv, stdout, stderr, env } = process;
await runProgram(parseOptions(argv.slice(2), env), {
  help: HELP,
  hint: "npm run bench -- --help tells the options.",
  run: (options) =>
    untilInterrupted(async (signal) =>
      (await runBench(options, { stdout, stderr, env, signal })) ? EXIT.ok : EXIT.failed,
    ),
});
