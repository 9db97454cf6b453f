// The command line of the load.
import { availableParallelism } from "node:os";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { createProgram, outputFile, UsageFault, wholeNumber } from "../../scripts/program/command-line.ts";

const SCENARIOS = {
  human: "every chat at the pace of a person",
  "hot-session": "the same, and in the second half --heat appends a second to one session",
  "hot-tenant": "the same, and in the second half one customer sends as fast as it is answered",
  burst: "all chats are silent for --silence seconds, then all speak at the same moment, repeatedly",
  "slow-postgres": "every chat at the pace of a person, and PostgreSQL answers --delay ms late",
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
    "Plays many live chats on a service that it starts, and checks whether the promises held.",
  )
    .addOption(
      new Option("--scenario <name>", "what happens during the load; see below")
        .choices(SCENARIO_NAMES)
        .default("human" as const),
    )
    .option("--sessions <n>", "live sessions", count("sessions"), DEFAULTS.sessions)
    .option("--seconds <n>", "duration of the load", count("seconds"), DEFAULTS.seconds)
    .addOption(
      new Option("--gap <from-to>", "seconds between two turns of a chat")
        .argParser(readGap)
        .default(DEFAULT_GAP, `${DEFAULT_GAP.from}-${DEFAULT_GAP.to}`),
    )
    .option(
      "--workers <n>",
      "number of workerds (default: one for each core). Each open session takes file descriptors of its workerd",
      count("workers"),
    )
    .option("--customers <n>", "number of tenants, each with its own key", count("customers"), DEFAULTS.customers)
    .option("--sockets", "open a WebSocket to each session, which must receive each message once, in order", false)
    .addOption(
      new Option(
        "--limits <switch>",
        "request limits. Locally they take processor time, which they do not on Cloudflare: use off to measure times",
      )
        .choices(["on", "off"] as const)
        .default("on" as const),
    )
    .option(
      "--summarize-after <n>",
      "tokens of messages that make a summary due",
      count("summarizeAfter", MIN.summarizeAfter),
      DEFAULTS.summarizeAfter,
    )
    .option("--silence <n>", "burst: seconds of silence", count("silence", MIN.silence), DEFAULTS.silence)
    .option("--heat <n>", "hot-session: appends a second", count("heat"), DEFAULTS.heat)
    .option(
      "--delay <ms>",
      `slow-postgres (default: ${DEFAULTS.delay["slow-postgres"]}) and slow-model (default: ${DEFAULTS.delay["slow-model"]}): the delay`,
      count("delay"),
    )
    .option(
      "--settle <n>",
      "seconds to wait after the load for summaries and the archive",
      count("settle"),
      DEFAULTS.settle,
    )
    .option("--seed <n>", "the same texts and times for the same seed", count("seed", 0), DEFAULTS.seed)
    .option("--no-times", "print times without judging them, on a machine with other work")
    .option("--json <file>", "write the report to this file, as JSON", outputFile)
    .addHelpText(
      "after",
      `
Scenarios:
${SCENARIO_NAMES.map((name) => `  ${name.padEnd(14)} ${SCENARIOS[name]}`).join("\n")}

It starts one PostgreSQL and several workerds, with their own data, which is deleted at the end. Each session belongs
to one workerd, chosen by the session's name. Chats belong to customers, each with an API key and the usual limits.
Before the load each session gets a past, so that the sessions are at different distances from their next summary. A
turn is an append that returns the context, then the append of the answer; before every fifth turn the context is read.
At the end every session is read back and compared with what was acknowledged: each message once, in its place,
unchanged; no gap in any context; every summary in PostgreSQL.

The exit code is 0 if every promise of the table held: nothing lost or stored twice, no gap, every summary archived,
99.5 % of the requests answered, and, unless --no-times, reads with p99 under 100 ms and updates with p99 under 2 s.
It is 1 if one did not.

Examples:
  npm run load                                                                a quick look: 200 sessions, 30 seconds
  npm run load -- --sessions 10000 --seconds 600 --workers 4 --limits off     about 20 minutes`,
    )
    .action(async ({ scenario, gap, workers, sockets, limits, silence, delay, times, ...given }) => {
      if (scenario === "burst" && silence >= given.seconds) {
        throw new UsageFault(
          `--silence must be shorter than --seconds: after ${silence} s of silence the ${given.seconds} s are over`,
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
