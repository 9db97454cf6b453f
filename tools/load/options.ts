// The command line of the load.
import { availableParallelism } from "node:os";
import {
  type CommandLine,
  noneOf,
  readCommandLine,
  readNumber,
  readOutputFile,
  UsageFault,
} from "../../scripts/program/command-line.ts";

export const SCENARIOS = {
  human: "every chat at the pace of a person",
  "hot-session": "the same, and in the second half one session is appended to --heat times a second",
  "hot-tenant": "the same, and in the second half one customer sends as fast as it is answered",
  burst: "every chat is silent for --silence seconds, then all speak at the same moment, again and again",
  "slow-postgres": "every chat at the pace of a person, and each word of PostgreSQL comes --delay ms late",
  "slow-model": "the same, and the model takes --delay ms for each answer",
} as const;
export type ScenarioName = keyof typeof SCENARIOS;

const DEFAULTS = {
  sessions: 200,
  seconds: 30,
  customers: 20,
  gap: "20-60",
  silence: 20,
  heat: 50,
  delay: { "slow-postgres": 500, "slow-model": 10_000 },
  summarizeAfter: 12_000,
  settle: 240,
  seed: 1,
};

const MAX = {
  sessions: 50_000,
  seconds: 3_600,
  workers: 32,
  customers: 100,
  gap: 600,
  silence: 600,
  heat: 1_000,
  delay: 60_000,
  summarizeAfter: 100_000,
  settle: 1_800,
  seed: 999_999_999,
} as const;
const MIN = { gap: 2, silence: 5, summarizeAfter: 1_000 } as const;

const NAMES = Object.entries(SCENARIOS)
  .map(([name, says]) => `    ${name.padEnd(14)} ${says}`)
  .join("\n");

export const HELP = `npm run load -- [OPTION…]     many live chats at once, on a service of its own, and whether its promises held

It starts one PostgreSQL and several workerds on it, with a state of their own, removed in the end. Each session lives in one of the
workerds, told by its name. Chats belong to customers, each with an API key and the usual limits. Before the load each session gets its
past, so that the sessions stand at every point on the way to a summary. A turn is an append that asks for the context, then the append of
the answer; before every fifth turn the context is read. In the end every session is read back and compared with what was acknowledged:
each message once, in its place, in its words; no gap in any context; every summary in PostgreSQL.

  npm run load                                                                a quick look: 200 sessions, 30 seconds
  npm run load -- --sessions 10000 --seconds 600 --workers 4 --limits off     about 20 minutes

  --scenario NAME      ${"human unless named:"}
${NAMES}
  --sessions N         live sessions, 1 to ${MAX.sessions.toLocaleString("en")} (${DEFAULTS.sessions})
  --seconds N          duration of the load, 1 to ${MAX.seconds.toLocaleString("en")} (${DEFAULTS.seconds})
  --gap FROM-TO        seconds from one turn of a chat to its next, ${MIN.gap} to ${MAX.gap} (${DEFAULTS.gap})
  --workers N          workerds, 1 to ${MAX.workers} (as many as there are cores). Each open session takes file descriptors of its workerd
  --customers N        tenants with a key each, 1 to ${MAX.customers} (${DEFAULTS.customers})
  --sockets            each session has an open WebSocket, which must be told of each message once, in order
  --limits on|off      the limits of requests (on). The local simulator's take more processor time than a request does: off to measure times
  --summarize-after N  tokens of messages that call for a summary, ${MIN.summarizeAfter.toLocaleString("en")} to ${MAX.summarizeAfter.toLocaleString("en")} (${DEFAULTS.summarizeAfter.toLocaleString("en")})
  --silence N          seconds of burst, ${MIN.silence} to ${MAX.silence} (${DEFAULTS.silence})
  --heat N             appends a second of hot-session, 1 to ${MAX.heat.toLocaleString("en")} (${DEFAULTS.heat})
  --delay MS           1 to ${MAX.delay.toLocaleString("en")} (${DEFAULTS.delay["slow-postgres"]} of slow-postgres, ${DEFAULTS.delay["slow-model"].toLocaleString("en")} of slow-model)
  --settle N           seconds that summaries and the archive may take after the load, 1 to ${MAX.settle.toLocaleString("en")} (${DEFAULTS.settle})
  --seed N             of what is said and when, 0 to ${MAX.seed} (${DEFAULTS.seed})
  --no-times           times are told and not judged: for a machine that has other things to do
  --json FILE          the report as JSON
  --help               this text

The exit code is 0 if every promise of the table held: nothing lost, nothing twice, no gap, every summary archived, 99.5 % of the requests
answered, and, unless --no-times, reads with p99 under 100 ms and updates with p99 under 2 s. It is 1 if one was broken.
`;

export interface LoadOptions {
  readonly scenario: ScenarioName;
  readonly sessions: number;
  readonly seconds: number;
  readonly gapSeconds: { readonly from: number; readonly to: number };
  readonly workers: number;
  readonly customers: number;
  readonly hasSockets: boolean;
  readonly hasLimits: boolean;
  readonly summarizeAfterTokens: number;
  readonly silenceSeconds: number;
  readonly heatPerSecond: number;
  readonly delayMs: number;
  readonly settleSeconds: number;
  readonly seed: number;
  readonly judgesTimes: boolean;
  readonly jsonFile: string | undefined;
}

const OPTIONS = {
  scenario: { type: "string", default: "human" },
  sessions: { type: "string" },
  seconds: { type: "string" },
  gap: { type: "string", default: DEFAULTS.gap },
  workers: { type: "string" },
  customers: { type: "string" },
  sockets: { type: "boolean", default: false },
  limits: { type: "string", default: "on" },
  "summarize-after": { type: "string" },
  silence: { type: "string" },
  heat: { type: "string" },
  delay: { type: "string" },
  settle: { type: "string" },
  seed: { type: "string" },
  "no-times": { type: "boolean", default: false },
  json: { type: "string" },
} as const;

export function parseOptions(
  args: readonly string[],
  cores: number = availableParallelism(),
): CommandLine<LoadOptions> {
  return readCommandLine(args, OPTIONS, (values, positionals) => {
    noneOf(positionals);
    const scenario = readScenario(values.scenario);
    const read = (name: keyof typeof MAX, text: string | undefined, fallback: number, min = 1): number =>
      text === undefined ? fallback : readNumber(`--${name}`, text, min, MAX[name]);
    const options = {
      scenario,
      sessions: read("sessions", values.sessions, DEFAULTS.sessions),
      seconds: read("seconds", values.seconds, DEFAULTS.seconds),
      gapSeconds: readGap(values.gap),
      workers: read("workers", values.workers, Math.min(cores, MAX.workers)),
      customers: read("customers", values.customers, DEFAULTS.customers),
      hasSockets: values.sockets,
      hasLimits: readSwitch("--limits", values.limits),
      summarizeAfterTokens:
        values["summarize-after"] === undefined
          ? DEFAULTS.summarizeAfter
          : readNumber("--summarize-after", values["summarize-after"], MIN.summarizeAfter, MAX.summarizeAfter),
      silenceSeconds: read("silence", values.silence, DEFAULTS.silence, MIN.silence),
      heatPerSecond: read("heat", values.heat, DEFAULTS.heat),
      delayMs: read("delay", values.delay, scenario in DEFAULTS.delay ? delayOf(scenario) : 0),
      settleSeconds: read("settle", values.settle, DEFAULTS.settle),
      seed: read("seed", values.seed, DEFAULTS.seed, 0),
      judgesTimes: !values["no-times"],
      jsonFile: values.json === undefined ? undefined : readOutputFile("--json", values.json),
    };
    if (scenario === "burst" && options.silenceSeconds >= options.seconds) {
      throw new UsageFault(
        `--silence must be shorter than --seconds: after ${options.silenceSeconds} s of silence ${options.seconds} s are over`,
      );
    }
    return options;
  });
}

function delayOf(scenario: ScenarioName): number {
  return scenario === "slow-model" ? DEFAULTS.delay["slow-model"] : DEFAULTS.delay["slow-postgres"];
}

function readScenario(text: string): ScenarioName {
  const found = Object.keys(SCENARIOS).find((name): name is ScenarioName => name === text);
  if (found !== undefined) return found;
  throw new UsageFault(`--scenario takes ${Object.keys(SCENARIOS).join(", ")}, not ${JSON.stringify(text)}`);
}

function readGap(text: string): { from: number; to: number } {
  const [from = "", to = "", ...more] = text.split("-");
  if (more.length > 0 || to === "") throw new UsageFault(`--gap must be like 20-60, not ${JSON.stringify(text)}`);
  const gap = { from: readNumber("--gap", from, MIN.gap, MAX.gap), to: readNumber("--gap", to, MIN.gap, MAX.gap) };
  if (gap.from > gap.to) throw new UsageFault(`--gap must begin with the shorter of the two: ${gap.to}-${gap.from}`);
  return gap;
}

function readSwitch(name: string, text: string): boolean {
  if (text === "on" || text === "off") return text === "on";
  throw new UsageFault(`${name} takes on or off, not ${JSON.stringify(text)}`);
}
