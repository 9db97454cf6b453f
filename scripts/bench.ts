// npm run bench: measures the service as it is deployed. `--help` tells the rest.
import { HELP, parseOptions } from "./bench/options.ts";
import { runBench } from "./bench/run-bench.ts";
import { StartError } from "./dev/start-error.ts";

const EXIT = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;

const parsed = parseOptions(process.argv.slice(2), process.env);
if ("help" in parsed) console.log(HELP);
else if ("fault" in parsed) {
  console.error(`${parsed.fault}\nnpm run bench -- --help tells the options.`);
  process.exitCode = EXIT.usage;
} else {
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());
  const { stdout, stderr, env } = process;
  try {
    const isGood = await runBench(parsed.options, { stdout, stderr, env, signal: interruption.signal });
    process.exitCode = isGood ? EXIT.ok : EXIT.failed;
  } catch (error) {
    // A StartError says what to do; anything else is a fault of ours, and its stack tells where.
    console.error(error instanceof StartError ? `\n${error.message}` : error);
    process.exitCode = EXIT.failed;
  }
  if (interruption.signal.aborted) process.exitCode = EXIT.interrupted;
}
