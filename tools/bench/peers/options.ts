// The command line of the peers.
import { createProgram, listOf, outputFile, wholeNumber } from "../../../scripts/program/command-line.ts";

const DEFAULTS = { samples: 200, sizes: [50, 500, 5_000] };
const MAX = { samples: 10_000, size: 20_000, sizes: 5 } as const;
const MIN_SIZE = 10;

export interface PeersOptions {
  readonly only: readonly string[];
  readonly sizes: readonly number[];
  readonly samples: number;
  readonly svgFile: string | undefined;
  readonly jsonFile: string | undefined;
}

export function peersProgram(run: (options: PeersOptions) => Promise<number>) {
  return createProgram("npm run peers --", "Compares Threadkeep with other chat memories, in one run on one machine.")
    .option("--only <name...>", "memories whose name contains this, in lower case (default: all)")
    .option("--sizes <n,…>", "messages of the past", listOf(wholeNumber(MIN_SIZE, MAX.size), MAX.sizes), DEFAULTS.sizes)
    .option(
      "--samples <n>",
      "appends and readings measured for each memory and size",
      wholeNumber(1, MAX.samples),
      DEFAULTS.samples,
    )
    .option("--svg <file>", "draw the chart to this file", outputFile)
    .option("--json <file>", "write the report to this file, as JSON", outputFile)
    .addHelpText(
      "after",
      `
The same conversation goes into each memory: first the past, then one append and one reading of what the next prompt
needs, repeatedly, one request at a time. It prints p50 and p99 of both, and the bytes and rows that the past takes.
docs/benchmarks.md explains the settings. The memories are installed separately, so that Threadkeep depends on none of
them. Before the first run: npm ci --prefix tools/bench/peers

The exit code is 0 if every available memory was measured and returned its messages, else 1. Times are not judged.

Example:
  npm run peers -- --only redis --sizes 50,500`,
    )
    .action(async ({ only = [], sizes, samples, svg, json }) => {
      process.exitCode = await run({ only, sizes, samples, svgFile: svg, jsonFile: json });
    });
}
