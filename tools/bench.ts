import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
// npm run bench: measures the service as it would be deployed.
import { benchProgram } from "./bench/options.ts";
import { runBench } from "./bench/run-bench.ts";

const { stdout, stderr, env } = process;
await runProgram(
  benchProgram(
    (options) =>
      untilInterrupted(async (signal) =>
        (await runBench(options, { stdout, stderr, env, signal })) ? EXIT.ok : EXIT.failed,
      ),
    env,
  ),
);
