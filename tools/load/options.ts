// The command line of the load.
import { availableParallelism } from "node:os";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { createProgram, outputFile, UsageFault, wholeNumber } from "../../scripts/program/command-line.ts";

const SCENARIOS = {
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
  silence: 20,
  heat: 50,
  delay: { "slow-postgres": 500, "slow-model": 10_000 },
  summarizeAfter: 12_000,
  settle: 240,
  seed: 1,
};

const DEFAULT_GAP = { from: 20, to: 60 };

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

const SCENARIO_NAMES: readonly ScenarioName[] = [
  "human",
  "hot-session",
  "hot-tenant",
  "burst",
  "slow-postgres",
  "slow-model",
];

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

export function loadProgram(run: (options: LoadOptions) => Promise<number>, cores: number = availableParallelism()) {
  const count = (name: keyof typeof MAX, min = 1): ((text: string) => number) => wholeNumber(min, MAX[name]);
  return createProgram(
    "npm run load --",
    "Many live chats at once, on a service of its own, and whether its promises held.",
  )
    .addOption(
      new Option("--scenario <name>", "what happens meanwhile; see below")
        .choices(SCENARIO_NAMES)
        .default("human" as const),
    )
    .option("--sessions <n>", "live sessions", count("sessions"), DEFAULTS.sessions)
    .option("--seconds <n>", "duration of the load", count("seconds"), DEFAULTS.seconds)
    .option("--gap <from-to>", "seconds from one turn of a chat to its next", readGap, DEFAULT_GAP)
    .option(
      "--workers <n>",
      "workerds (default: as many as there are cores). Each open session takes file descriptors of its workerd",
      count("workers"),
    )
    .option("--customers <n>", "tenants with a key each", count("customers"), DEFAULTS.customers)
    .option("--sockets", "each session has an open WebSocket, which must be told of each message once, in order", false)
    .addOption(
      new Option(
        "--limits <switch>",
        "the limits of requests. The local simulator's take more processor time than a request does: off to measure times",
      )
        .choices(["on", "off"] as const)
        .default("on" as const),
    )
    .option(
      "--summarize-after <n>",
      "tokens of messages that call for a summary",
      count("summarizeAfter", MIN.summarizeAfter),
      DEFAULTS.summarizeAfter,
    )
    .option("--silence <n>", "seconds of burst", count("silence", MIN.silence), DEFAULTS.silence)
    .option("--heat <n>", "appends a second of hot-session", count("heat"), DEFAULTS.heat)
    .option(
      "--delay <ms>",
      `of slow-postgres (default: ${DEFAULTS.delay["slow-postgres"]}) or slow-model (default: ${DEFAULTS.delay["slow-model"]})`,
      count("delay"),
    )
    .option(
      "--settle <n>",
      "seconds that summaries and the archive may take after the load",
      count("settle"),
      DEFAULTS.settle,
    )
    .option("--seed <n>", "of what is said and when", count("seed", 0), DEFAULTS.seed)
    .option("--no-times", "times are told and not judged: for a machine that has other things to do")
    .option("--json <file>", "the report as JSON", outputFile)
    .addHelpText(
      "after",
      `
Scenarios:
${SCENARIO_NAMES.map((name) => `  ${name.padEnd(14)} ${SCENARIOS[name]}`).join("\n")}

It starts one PostgreSQL and several workerds on it, with a state of their own, removed in the end. Each session epochs in one
of the workerds, told by its name. Chats belong to customers, each with an API key and the usual limits. Before the load each
session gets its past, so that the sessions stand at every point on the way to a summary. A turn is an append that asks for
the context, then the append of the answer; before every fifth turn the context is read. In the end every session is read
back and compared with what was acknowledged: each message once, in its place, in its words; no gap in any context; every
summary in PostgreSQL.

The exit code is 0 if every promise of the table held: nothing lost, nothing twice, no gap, every summary archived, 99.5 % of
the requests answered, and, unless --no-times, reads with p99 under 100 ms and updates with p99 under 2 s. It is 1 if one was
broken.

Examples:
  npm run load                                                                a quick look: 200 sessions, 30 seconds
  npm run load -- --sessions 10000 --seconds 600 --workers 4 --limits off     about 20 minutes`,
    )
    .action(async ({ scenario, gap, workers, sockets, limits, silence, delay, times, ...given }) => {
      if (scenario === "burst" && silence >= given.seconds) {
        throw new UsageFault(
          `--silence must be shorter than --seconds: after ${silence} s of silence ${given.seconds} s are over`,
        );
      }
      process.exitCode = await run({
        scenario,
        sessions: given.sessions,
        seconds: given.seconds,
        gapSeconds: gap,
        workers: workers ?? Math.min(cores, MAX.workers),
        customers: given.customers,
        hasSockets: sockets,
        hasLimits: limits === "on",
        summarizeAfterTokens: given.summarizeAfter,
        silenceSeconds: silence,
        heatPerSecond: given.heat,
        delayMs: delay ?? (scenario in DEFAULTS.delay ? delayOf(scenario) : 0),
        settleSeconds: given.settle,
        seed: given.seed,
        judgesTimes: times,
        jsonFile: given.json,
      });
    });
}

function delayOf(scenario: ScenarioName): number {
  return scenario === "slow-model" ? DEFAULTS.delay["slow-model"] : DEFAULTS.delay["slow-postgres"];
}

function readGap(text: string): { from: number; to: number } {
  const [from = Number.NaN, to = Number.NaN, ...more] = text
    .split("-")
    .map((part) => (part === "" ? Number.NaN : Number(part)));
  const isSound = [from, to].every((seconds) => Number.isInteger(seconds) && seconds >= MIN.gap && seconds <= MAX.gap);
  if (more.length === 0 && isSound && from <= to) return { from, to };
  throw new InvalidArgumentError(
    `It must be like 20-60: two whole numbers from ${MIN.gap} to ${MAX.gap}, the shorter first.`,
  );
}
