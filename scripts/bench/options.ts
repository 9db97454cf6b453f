// The command line of the benchmark.
import {
  type CommandLine,
  noneOf,
  readCommandLine,
  readNumber,
  readOutputFile,
  UsageFault,
} from "../program/command-line.ts";

export const SECTIONS = [
  "bundle",
  "latency",
  "access",
  "search",
  "slices",
  "update",
  "flood",
  "archive-search",
] as const;
export type Section = (typeof SECTIONS)[number];
/** A search of a full archive takes minutes to set up, and a flood leaves a machine busy: only where they are named. */
const DEFAULT_SECTIONS = SECTIONS.filter((section) => section !== "archive-search" && section !== "flood");

const FULL = {
  samples: 300,
  warmUps: 30,
  costSamples: 100,
  searchSizes: [5_000, 100_000],
  sliceMessages: 100_000,
  queries: 1_000,
  updates: 30,
  floodSeconds: 20,
  items: 1_000_000,
};
const QUICK: typeof FULL = {
  samples: 50,
  warmUps: 10,
  costSamples: 0,
  searchSizes: [5_000],
  sliceMessages: 5_000,
  queries: 100,
  updates: 10,
  floodSeconds: 5,
  items: 20_000,
};

/** As wrangler.toml has it. */
const DEFAULT_TENANT = "default";

const MAX_SAMPLES = 100_000;
const MAX_SECONDS = 86_400;
const MAX_ITEMS = 10_000_000;

export const HELP = `npm run bench -- [OPTION…]     measures Threadkeep, as deployed, in workerd on this machine

It bundles the Worker as a deploy does, starts it with a PostgreSQL and a state of its own, talks to it over loopback and kept
connections, past the entry of the local simulator, and removes everything in the end. Figures of one run are comparable with
each other; figures of two runs are only if the machine was as busy, so the load average stands beside them.

  latency   append and context, with a query and without, on sessions of 10 to 10,000 messages, one request at a time, beside
            the floor in the same run
  access    the same request with a tenant's key and with the deployment's, and the check of each alone (also: --only keys)
  search    queries over sessions of 5,000 and 100,000 messages
  slices    the longest step, in processor time, of work that grows with a session: indexing, copying
            and erasing 100,000 messages
  update    from the append that calls for a summary to the summary readable, and in PostgreSQL; with the extractive summarizer,
            and with a model that answers at once
  flood     what one tenant's flood does to another: its contexts alone, during the flood with the limits at the edge, and without;
            two services of its own; only if named
  bundle    the size of the upload
            (many live chats at once: npm run load)
  archive-search  a search across sessions in PostgreSQL full of items, as the Worker's role; only if named, it takes minutes to fill

  --only NAME…     one or more of ${SECTIONS.join(", ")}
  --quick          fewer of everything: about 30 s on a quiet machine
  --samples N      requests measured of each case of latency (${FULL.samples})
  --queries N      queries of search (${FULL.queries.toLocaleString("en")})
  --updates N      sessions of update (${FULL.updates})
  --seconds N      duration of each situation of flood (${FULL.floodSeconds})
  --items N        items of archive-search (${FULL.items.toLocaleString("en")})
  --json FILE      the report as JSON
  --url URL        a running service instead of one of its own; what the benchmark makes there is erased in the end
  --key KEY        its API key; else THREADKEEP_API_KEY, which other users of the machine cannot read; access makes a key there, and
                   revokes it, if THREADKEEP_ADMIN_KEY is set (and THREADKEEP_API_TENANT, unless that is "default")
  --help           this text

It reports and judges no times: the exit code is 1 if a request failed or something was lost, else 0.
`;

export interface BenchOptions {
  readonly only: readonly Section[];
  readonly isQuick: boolean;
  readonly samples: number;
  readonly warmUps: number;
  readonly costSamples: number;
  readonly searchSizes: readonly number[];
  readonly sliceMessages: number;
  readonly queries: number;
  readonly updates: number;
  readonly floodSeconds: number;
  readonly items: number;
  readonly jsonFile: string | undefined;
  readonly target: NamedTarget | null;
}

/** A service that runs already. */
export interface NamedTarget {
  readonly url: string;
  readonly apiKey: string;
  /** Null: no key can be made there. */
  readonly adminKey: string | null;
  readonly tenant: string;
}

const OPTIONS = {
  only: { type: "string", multiple: true, default: [] as string[] },
  quick: { type: "boolean", default: false },
  samples: { type: "string" },
  queries: { type: "string" },
  updates: { type: "string" },
  seconds: { type: "string" },
  items: { type: "string" },
  json: { type: "string" },
  url: { type: "string" },
  key: { type: "string" },
} as const;

export function parseOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine<BenchOptions> {
  return readCommandLine(args, OPTIONS, (values, positionals) => {
    if (values.only.length === 0) noneOf(positionals);
    const defaults = values.quick ? QUICK : FULL;
    const only = readSections([...values.only, ...positionals]);
    if (values.url !== undefined && only.includes("flood")) {
      throw new UsageFault("flood needs services of its own, with the limits on and off: leave --url out");
    }
    const { samples, queries, updates, seconds, items } = values;
    return {
      only,
      isQuick: values.quick,
      samples: readCount("--samples", samples, defaults.samples, MAX_SAMPLES),
      warmUps: defaults.warmUps,
      costSamples: defaults.costSamples,
      searchSizes: defaults.searchSizes,
      sliceMessages: defaults.sliceMessages,
      queries: readCount("--queries", queries, defaults.queries, MAX_SAMPLES),
      updates: readCount("--updates", updates, defaults.updates, MAX_SAMPLES),
      floodSeconds: readCount("--seconds", seconds, defaults.floodSeconds, MAX_SECONDS),
      items: readCount("--items", items, defaults.items, MAX_ITEMS),
      jsonFile: values.json === undefined ? undefined : readOutputFile("--json", values.json),
      target: readTarget(values.url, values.key ?? env["THREADKEEP_API_KEY"], env),
    };
  });
}

function readSections(names: readonly string[]): Section[] {
  if (names.length === 0) return DEFAULT_SECTIONS;
  const wanted = names.flatMap((name) => name.split(",")).map((name) => (name === "keys" ? "access" : name));
  for (const name of wanted) {
    if (!SECTIONS.some((section) => section === name)) {
      throw new UsageFault(`--only takes ${SECTIONS.join(", ")}, not ${JSON.stringify(name)}`);
    }
  }
  return SECTIONS.filter((section) => wanted.includes(section));
}

function readTarget(
  url: string | undefined,
  apiKey: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): NamedTarget | null {
  if (url === undefined) return null;
  if (!/^http:\/\/./.test(url) || !URL.canParse(url)) throw new UsageFault("--url must be like http://127.0.0.1:8787");
  if (apiKey === undefined) throw new UsageFault("--url needs a key: set THREADKEEP_API_KEY, or use --key");
  const adminKey = env["THREADKEEP_ADMIN_KEY"] ?? null;
  return { url, apiKey, adminKey, tenant: env["THREADKEEP_API_TENANT"] ?? DEFAULT_TENANT };
}

function readCount(name: string, text: string | undefined, fallback: number, max: number): number {
  return text === undefined ? fallback : readNumber(name, text, 1, max);
}
