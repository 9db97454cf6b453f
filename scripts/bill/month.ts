// Computes the bill of a month, line by line: the measured resources of each operation, times how often the users do
// it, times the platform's prices.
import { IDLE_SUMMARY_MIN_TOKENS } from "../../src/api/limits.ts";
import { resolveSettings } from "../../src/api/session.ts";
import { type Counts, type Measured, type Operation, type OperationName, SUMMARY_GROWTH_DAYS } from "./measured.ts";
import { beyond, COMPUTE, LOG_PRICES, PLANS, PLATFORM } from "./prices.ts";

export interface Use {
  readonly users: number;
  /** Questions with answers per user and day. */
  readonly turns: number;
  readonly days: number;
  /** New sessions per user and month. */
  readonly sessions: number;
  /** Share of questions that find the session's object in memory: asked within ten seconds of the last answer. The first one after a summary never does. */
  readonly awake: number;
  /** Share of requests whose spans are recorded: `head_sampling_rate` in wrangler.toml. */
  readonly traces: number;
  /** Share of requests whose log lines are recorded: THREADKEEP_LOG_SAMPLE. */
  readonly logs: number;
  /** Share of operations that have a data point: THREADKEEP_METRICS_SAMPLE. */
  readonly points: number;
}

/**
 * Assumptions that cannot be measured locally: how long an object is billed per call, and the bytes that the platform
 * adds to a span or a log line.
 */
const ASSUMED = { objectMsACall: 10, platformBytesAnEvent: 1_000 } as const;

export const TELEMETRY_PART = "logs and traces [5]";

/** Runs of the cron that checks for alerts every minute. */
const CRONS_A_MONTH = 60 * 24 * 30;
const CALLS_A_CRON = 4;
export const MONTHS = 12;

interface BillLine {
  readonly part: string;
  readonly price: string;
  readonly used: string;
  readonly dollars: number;
}

export interface MonthBill {
  readonly lines: readonly BillLine[];
  readonly dollars: number;
}

/**
 * How often each operation happens in a month.
 * @internal A small step of the bill whose arithmetic a test checks against examples.
 */
export function timesOf(use: Use, measured: Measured): Record<OperationName, number> {
  const { users, turns, days, sessions, awake } = use;
  const asked = users * turns * days;
  const begin = Math.min(asked, users * sessions);
  const silence = users * days * summariesADay(turns * measured.tokensATurn);
  const askFirst = Math.min(asked - begin, silence);
  const further = asked - begin - askFirst;
  return { begin, askFirst, askCold: further * (1 - awake), askWarm: further * awake, answer: asked, silence };
}

/**
 * A day with enough messages is summarized once its sessions are idle, and additionally whenever the threshold is
 * reached before.
 */
function summariesADay(tokens: number): number {
  const { summarizeAfterTokens, keepRecentTokens } = resolveSettings({});
  if (tokens < IDLE_SUMMARY_MIN_TOKENS) return tokens / IDLE_SUMMARY_MIN_TOKENS;
  return Math.max(1, tokens / (summarizeAfterTokens - keepRecentTokens));
}

/** @param month months since the start, 1 to `MONTHS`; nothing is erased in the meantime */
export function billOf(use: Use, measured: Measured, month: number): MonthBill {
  const times = timesOf(use, measured);
  const sum = (read: (operation: Operation) => number): number =>
    Object.entries(times).reduce(
      (all, [name, count]) => all + count * read(measured.operations[name as OperationName]),
      0,
    );
  const of = (key: keyof Counts): number => sum((operation) => operation[key]);

  const asked = times.begin + times.askFirst + times.askCold + times.askWarm + times.answer;
  const deliveries = of("deliveries");
  const requests = asked + deliveries + CRONS_A_MONTH;
  const calls = of("objectCalls") + CRONS_A_MONTH * CALLS_A_CRON;
  const spans = of("spans") * use.traces;
  const logLines = of("logLines") * use.logs;
  const telemetry =
    of("spanBytes") * use.traces + of("logBytes") * use.logs + (spans + logLines) * ASSUMED.platformBytesAnEvent;
  const { begin, firstSilence, list, objectDay } = measured.bytes;
  const share = (use.turns * measured.tokensATurn) / (measured.turnsADay * measured.tokensATurn);
  const daysSoFar = use.users * use.days * month;
  const objects = use.users * list + month * times.begin * (begin + firstSilence) + daysSoFar * objectDay * share;
  const postgres = use.users * archiveBytes(use, measured, month) * share;
  const compute = COMPUTE.find(({ bytes }) => postgres <= bytes) ?? COMPUTE[9];

  const lines: BillLine[] = [
    fixed("Workers Paid [1]", "the plan", PLANS.workers),
    line("requests, deliveries and crons [1]", "$0.30 a million beyond 10 million", requests, PLATFORM.requests),
    line(
      "CPU time [1]",
      "$0.02 a million ms beyond 30 million",
      sum((one) => one.processorMs),
      PLATFORM.processorMs,
      " ms",
    ),
    line("calls and alarms of objects [2]", "$0.15 a million beyond 1 million", calls, PLATFORM.objectCalls),
    {
      part: "time of objects [2]",
      price: "$12.50 a million GB-s beyond 400,000",
      used: `${short((calls * ASSUMED.objectMsACall * 0.128) / 1_000)} GB-s`,
      dollars: beyond(calls * ASSUMED.objectMsACall, PLATFORM.objectMs),
    },
    line("rows read [2]", "$0.001 a million beyond 25,000 million", of("rowsRead"), PLATFORM.rowsRead),
    line("rows written [2]", "$1.00 a million beyond 50 million", of("rowsWritten"), PLATFORM.rowsWritten),
    line("storage of objects [2]", "$0.20 a GB beyond 5", objects, PLATFORM.objectByteMonths, "B"),
    {
      part: "queues [3]",
      price: "$0.40 a million operations beyond 1 million, three a message",
      used: short(3 * of("queueMessages")),
      dollars: beyond(of("queueMessages"), PLATFORM.queueMessages),
    },
    fixed("Hyperdrive [4]", "included", 0),
    {
      part: TELEMETRY_PART,
      price: "$0.25 a GB beyond 50, and $0.10 a GB kept beyond 12",
      used: `${short(logLines)} lines, ${short(spans)} spans, ${short(telemetry)}B`,
      dollars: beyond(telemetry, LOG_PRICES.written) + beyond(telemetry, LOG_PRICES.kept),
    },
    line(
      "points of Analytics Engine [6]",
      "$0.25 a million beyond 10 million",
      asked * use.points + deliveries,
      PLATFORM.dataPoints,
    ),
    fixed("Supabase Pro [7]", "the plan, with Micro compute", PLANS.supabase),
    line("disk of PostgreSQL [7]", "$0.125 a GB beyond 8", postgres, PLATFORM.postgresByteMonths, "B"),
    { part: "larger compute [7]", price: "by the size of the database", used: compute.name, dollars: compute.dollars },
  ];
  return { lines, dollars: lines.reduce((all, { dollars }) => all + dollars, 0) };
}

/** Bytes that PostgreSQL holds of one user: the newest summary of each of their sessions. */
function archiveBytes({ days, sessions }: Use, { bytes }: Measured, month: number): number {
  const begun = Math.max(1, sessions * month);
  const daysASession = (days * month) / begun;
  const growing = Math.min(1, daysASession / SUMMARY_GROWTH_DAYS);
  return (
    begun * (bytes.postgresSession * growing + bytes.postgresDay * Math.max(0, daysASession - SUMMARY_GROWTH_DAYS))
  );
}

function fixed(part: string, price: string, dollars: number): BillLine {
  return { part, price, used: "", dollars };
}

function line(
  part: string,
  price: string,
  used: number,
  priced: { readonly dollars: number; readonly included: number },
  unit = "",
): BillLine {
  return { part, price, used: `${short(used)}${unit}`, dollars: beyond(used, priced) };
}

/** Formats a number with three digits and a suffix: `12.3 M`. */
export function short(value: number): string {
  const [size, letter] = ([
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
    [1, ""],
  ].find(([least]) => value >= (least as number)) as [number, string]) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))}${letter === "" ? "" : ` ${letter}`}`;
}
