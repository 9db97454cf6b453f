// The command line of the peers.
import {
  type CommandLine,
  noneOf,
  readCommandLine,
  readNumber,
  readOutputFile,
} from "../../../scripts/program/command-line.ts";

const DEFAULTS = { samples: 200, sizes: "50,500,5000" };
const MAX = { samples: 10_000, size: 20_000, sizes: 5 } as const;
const MIN_SIZE = 10;

export const HELP = `npm run peers -- [OPTION…]     Threadkeep beside other memories of chats, in one run on one machine

The same conversation goes into each: a past of so many messages, then one append and one reading of what the next prompt needs, again and
again, one request at a time. Told are p50 and p99 of both, and the bytes and rows of the past. docs/benchmarks.md explains the settings.
It is a package of its own, so that Threadkeep depends on none of them. Once before the first run: npm ci --prefix tools/bench/peers

  --only NAME     memories whose name has this in it, in lower case; may be named again (all)
  --sizes N,N     messages of the past, ${MIN_SIZE} to ${MAX.size.toLocaleString("en")} each, at most ${MAX.sizes} (${DEFAULTS.sizes})
  --samples N     appends and readings measured of each, 1 to ${MAX.samples.toLocaleString("en")} (${DEFAULTS.samples})
  --svg FILE      the picture
  --json FILE     the report as JSON
  --help          this text

The exit code is 0 if every memory that is here was measured and gave its messages, else 1. It judges no times.
`;

export interface PeersOptions {
  readonly only: readonly string[];
  readonly sizes: readonly number[];
  readonly samples: number;
  readonly svgFile: string | undefined;
  readonly jsonFile: string | undefined;
}

const OPTIONS = {
  only: { type: "string", multiple: true, default: [] as string[] },
  sizes: { type: "string", default: DEFAULTS.sizes },
  samples: { type: "string" },
  svg: { type: "string" },
  json: { type: "string" },
} as const;

export function parseOptions(args: readonly string[]): CommandLine<PeersOptions> {
  return readCommandLine(args, OPTIONS, (values, positionals) => {
    noneOf(positionals);
    const sizes = values.sizes.split(",").slice(0, MAX.sizes);
    return {
      only: values.only,
      sizes: sizes.map((size) => readNumber("--sizes", size, MIN_SIZE, MAX.size)),
      samples:
        values.samples === undefined ? DEFAULTS.samples : readNumber("--samples", values.samples, 1, MAX.samples),
      svgFile: values.svg === undefined ? undefined : readOutputFile("--svg", values.svg),
      jsonFile: values.json === undefined ? undefined : readOutputFile("--json", values.json),
    };
  });
}
