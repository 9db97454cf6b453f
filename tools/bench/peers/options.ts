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
  return createProgram("npm run peers --", "Threadkeep beside other memories of chats, in one run on one machine.")
    .option("--only <name...>", "memories whose name has this in it, in lower case (default: all)")
    .option("--sizes <n,…>", "messages of the past", listOf(wholeNumber(MIN_SIZE, MAX.size), MAX.sizes), DEFAULTS.sizes)
    .option("--samples <n>", "appends and readings measured of each", wholeNumber(1, MAX.samples), DEFAULTS.samples)
    .option("--svg <file>", "the picture", outputFile)
    .option("--json <file>", "the report as JSON", outputFile)
    .addHelpText(
      "after",
      `
The same conversation goes into each: a past of so many messages, then one append and one reading of what the next prompt
needs, again and again, one request at a time. Told are p50 and p99 of both, and the bytes and rows of the past.
docs/benchmarks.md explains the settings. It is a package of its own, so that Threadkeep depends on none of them. Once before
the first run: npm ci --prefix tools/bench/peers

The exit code is 0 if every memory that is here was measured and gave its messages, else 1. It judges no times.

Example:
  npm run peers -- --only redis --sizes 50,500`,
    )
    .action(async ({ only = [], sizes, samples, svg, json }) => {
      process.exitCode = await run({ only, sizes, samples, svgFile: svg, jsonFile: json });
    });
}
