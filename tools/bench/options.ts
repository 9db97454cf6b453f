// The command line of the benchmark.
import {
  createProgram,
  namesOf,
  outputFile,
  serviceUrl,
  UsageFault,
  wholeNumber,
} from "../../scripts/program/command-line.ts";

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

const RUNS = `
  latency         append and context, with a query and without, on sessions of 10 to 10,000 messages, one request at a time,
                  beside the floor in the same run
  access          the same request with a tenant's key and with the deployment's, and the check of each alone (also: keys)
  search          queries over sessions of 5,000 and 100,000 messages
  slices          the longest step, in processor time, of work that grows with a session: indexing, copying and erasing
                  100,000 messages
  update          from the append that calls for a summary to the summary readable, and in PostgreSQL; with the extractive
                  summarizer, and with a model that answers at once
  flood           what one tenant's flood does to another: its contexts alone, during the flood with the limits at the edge,
                  and without; two services of its own; only if named
  bundle          the size of the upload
  archive-search  a search across sessions in PostgreSQL full of items, as the Worker's role; only if named, it takes minutes
                  to fill`;

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

export function benchProgram(
  run: (options: BenchOptions) => Promise<number>,
  env: Readonly<Record<string, string | undefined>>,
) {
  const samples = wholeNumber(1, MAX_SAMPLES);
  const full = (of: number): string => `(default: ${of.toLocaleString("en")})`;
  return createProgram("npm run bench --", "Measures Threadkeep, as deployed, in workerd on this machine.")
    .option("--only <name...>", `what to measure: ${SECTIONS.join(", ")}`, namesOf([...SECTIONS, "keys"]))
    .option("--quick", "fewer of everything: about 30 s on a quiet machine", false)
    .option("--samples <n>", `requests measured of each case of latency ${full(FULL.samples)}`, samples)
    .option("--queries <n>", `queries of search ${full(FULL.queries)}`, samples)
    .option("--updates <n>", `sessions of update ${full(FULL.updates)}`, samples)
    .option(
      "--seconds <n>",
      `duration of each situation of flood ${full(FULL.floodSeconds)}`,
      wholeNumber(1, MAX_SECONDS),
    )
    .option("--items <n>", `items of archive-search ${full(FULL.items)}`, wholeNumber(1, MAX_ITEMS))
    .option("--json <file>", "the report as JSON", outputFile)
    .option(
      "--url <url>",
      "a running service instead of one of its own; what the benchmark makes there is erased in the end",
      serviceUrl,
    )
    .option("--key <key>", "its API key; else THREADKEEP_API_KEY, which other users of the machine cannot read")
    .addHelpText(
      "after",
      `
It bundles the Worker as a deploy does, starts it with a PostgreSQL and a state of its own, talks to it over loopback and
kept connections, past the entry of the local simulator, and removes everything in the end. Figures of one run are
comparable with each other; figures of two runs are only if the machine was as busy, so the load average stands beside
them. Many live chats at once: npm run load
${RUNS}

With --url, access makes a key there, and revokes it, if THREADKEEP_ADMIN_KEY is set (and THREADKEEP_API_TENANT, unless
that is "default"). It reports and judges no times: the exit code is 1 if a request failed or something was lost, else 0.

Examples:
  npm run bench -- --quick
  npm run bench -- --only latency search --json report.json`,
    )
    .action(
      async ({ only: named, quick, samples: latencySamples, queries, updates, seconds, items, json, url, key }) => {
        const defaults = quick ? QUICK : FULL;
        const only = sectionsOf(named);
        if (url !== undefined && only.includes("flood")) {
          throw new UsageFault("flood needs services of its own, with the limits on and off: leave --url out");
        }
        process.exitCode = await run({
          ...defaults,
          only,
          isQuick: quick,
          samples: latencySamples ?? defaults.samples,
          queries: queries ?? defaults.queries,
          updates: updates ?? defaults.updates,
          floodSeconds: seconds ?? defaults.floodSeconds,
          items: items ?? defaults.items,
          jsonFile: json,
          target: targetOf(url, key ?? env["THREADKEEP_API_KEY"], env),
        });
      },
    );
}

function sectionsOf(named: readonly (Section | "keys")[] | undefined): readonly Section[] {
  if (named === undefined) return DEFAULT_SECTIONS;
  return SECTIONS.filter((section) => named.includes(section) || (section === "access" && named.includes("keys")));
}

function targetOf(
  url: string | undefined,
  apiKey: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): NamedTarget | null {
  if (url === undefined) return null;
  if (apiKey === undefined) throw new UsageFault("--url needs a key: set THREADKEEP_API_KEY, or use --key");
  const adminKey = env["THREADKEEP_ADMIN_KEY"] ?? null;
  return { url, apiKey, adminKey, tenant: env["THREADKEEP_API_TENANT"] ?? DEFAULT_TENANT };
}
