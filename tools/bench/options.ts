// The command line of the benchmark.
import {
  createProgram,
  namesOf,
  outputFile,
  serviceUrl,
  UsageFault,
  wholeNumber,
} from "../../scripts/program/command-line.ts";

/** @internal A test checks that each section can be asked for. */
export const SECTIONS = [
  "bundle",
  "latency",
  "access",
  "search",
  "slices",
  "update",
  "wake",
  "flood",
  "archive-search",
] as const;
export type Section = (typeof SECTIONS)[number];
/** These start services of their own. */
const SELF_HOSTED: ReadonlySet<Section> = new Set(["flood", "wake"]);
/** These run only if they are named: filling an archive or thousands of sessions takes minutes, and a flood leaves the machine busy. */
const ONLY_IF_NAMED: ReadonlySet<Section> = new Set(["archive-search", ...SELF_HOSTED]);
const DEFAULT_SECTIONS = SECTIONS.filter((section) => !ONLY_IF_NAMED.has(section));

/** Whether the section measures services that it starts itself, and not the service of the run. */
export function startsItsOwn(section: Section): boolean {
  return SELF_HOSTED.has(section);
}

const FULL = {
  samples: 300,
  warmUps: 30,
  costSamples: 100,
  searchSizes: [5_000, 100_000],
  sliceMessages: 100_000,
  queries: 1_000,
  updates: 30,
  wakes: 1_000,
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
  wakes: 100,
  floodSeconds: 5,
  items: 20_000,
};

/** The default of wrangler.toml. */
const DEFAULT_TENANT = "default";

const MAX_SAMPLES = 100_000;
const MAX_SECONDS = 86_400;
const MAX_ITEMS = 10_000_000;

const RUNS = `
  latency         append and context, with a query and without, on sessions of 10 to 10,000 messages, one request at a time,
                  next to the floor of the same run
  access          the same request with a tenant's key and with the deployment's, and each check alone (also: keys)
  search          queries over sessions of 5,000 and 100,000 messages, by words, and by words and meaning
  slices          the longest step (processor time) of work that grows with a session: indexing, copying, erasing
                  100,000 messages
  update          from the append that makes a summary due until it is readable, and until it is in PostgreSQL; with the
                  extractive summarizer, and with a model that answers at once
  wake            the first request to a session that sleeps (processor time), next to the same request to a bare object with
                  one table, on services of its own; only if named
  flood           how one tenant's flood affects another's contexts: alone, during the flood with the limits at the edge,
                  and without them; on two services of its own; only if named
  bundle          the size of the Worker that is uploaded
  archive-search  a search across sessions in a full PostgreSQL, as the Worker's role; only if named, because filling
                  takes minutes`;

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
  readonly wakes: number;
  readonly floodSeconds: number;
  readonly items: number;
  readonly jsonFile: string | undefined;
  readonly target: NamedTarget | null;
}

/** A service that is running already. */
export interface NamedTarget {
  readonly url: string;
  readonly apiKey: string;
  /** Null if no key can be created there. */
  readonly adminKey: string | null;
  readonly tenant: string;
}

export function benchProgram(
  run: (options: BenchOptions) => Promise<number>,
  env: Readonly<Record<string, string | undefined>>,
) {
  const samples = wholeNumber(1, MAX_SAMPLES);
  const full = (of: number): string => `(default: ${of.toLocaleString("en")})`;
  return createProgram("npm run bench --", "Measures Threadkeep in workerd on this machine, as it would be deployed.")
    .option("--only <name...>", `what to measure: ${SECTIONS.join(", ")}`, namesOf([...SECTIONS, "keys"]))
    .option("--quick", "fewer samples of everything: about 30 s on a quiet machine", false)
    .option("--samples <n>", `latency: requests measured for each case ${full(FULL.samples)}`, samples)
    .option("--queries <n>", `search: queries ${full(FULL.queries)}`, samples)
    .option("--updates <n>", `update: sessions ${full(FULL.updates)}`, samples)
    .option(
      "--seconds <n>",
      `flood: duration of each situation ${full(FULL.floodSeconds)}`,
      wholeNumber(1, MAX_SECONDS),
    )
    .option("--items <n>", `archive-search: items ${full(FULL.items)}`, wholeNumber(1, MAX_ITEMS))
    .option("--json <file>", "write the report to this file, as JSON", outputFile)
    .option(
      "--url <url>",
      "measure a running service instead of starting one; what the benchmark creates there is erased at the end",
      serviceUrl,
    )
    .option("--key <key>", "its API key (default: THREADKEEP_API_KEY, which other users of this machine cannot see)")
    .addHelpText(
      "after",
      `
It bundles the Worker as a deploy does, starts it with its own PostgreSQL and data, sends requests over loopback and
kept connections, bypassing the entry of the local simulator, and deletes everything at the end. Figures of one run can
be compared with each other; those of two runs only if the machine was equally busy, so the load average is printed with
them. For many live chats at once use npm run load.
${RUNS}

With --url, access creates a key there and revokes it, if THREADKEEP_ADMIN_KEY is set (and THREADKEEP_API_TENANT, unless
that is "default"). Times are reported, not judged: the exit code is 1 if a request failed or something was lost, else 0.

Examples:
  npm run bench -- --quick
  npm run bench -- --only latency search --json report.json`,
    )
    .action(
      async ({ only: named, quick, samples: latencySamples, queries, updates, seconds, items, json, url, key }) => {
        const defaults = quick ? QUICK : FULL;
        const only = sectionsOf(named);
        if (url !== undefined && only.some(startsItsOwn)) {
          throw new UsageFault("flood and wake start services of their own: leave out --url");
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
  if (apiKey === undefined) throw new UsageFault("--url requires a key: set THREADKEEP_API_KEY, or use --key");
  const adminKey = env["THREADKEEP_ADMIN_KEY"] ?? null;
  return { url, apiKey, adminKey, tenant: env["THREADKEEP_API_TENANT"] ?? DEFAULT_TENANT };
}
