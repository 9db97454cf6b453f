// Computes what one user can cost in a day: everything that a user's token can do, as often as the limits allow, at the
// platform's prices.
import { IDLE_SUMMARY_MIN_TOKENS, MAX_PAGE_BYTES, MIN_USER_SUMMARY_TOKENS } from "../../src/api/limits.ts";
import { DAY_SECONDS, type SessionLimits } from "../../src/api/quota.ts";
import { resolveSettings } from "../../src/api/session.ts";
import { userBoundsOf } from "../../src/api/user-quota.ts";
import { dollarsFor, type ModelPrices, type Usage } from "./prices.ts";

/**
 * Requests per user and period of the rate limiter, as in `wrangler.toml`.
 * @internal A test compares it with the limit of wrangler.toml.
 */
export const USER_REQUESTS = { limit: 100, periodSeconds: 10 } as const;
/** @internal A test checks it against that limit. */
export const REQUESTS_PER_DAY = (USER_REQUESTS.limit * DAY_SECONDS) / USER_REQUESTS.periodSeconds;
/** An example price, as in the README. */
export const EXAMPLE_MODEL: ModelPrices = { input: 0.1, output: 0.4 };

/** Assumptions about one of each. */
const EACH_REQUEST = { requests: 1, processorMs: 3, objectCalls: 2, objectMs: 10, logBytes: 4_500 } as const;
/**
 * A search for words that every message contains reads `MAX_MATCHES` messages per word, and a context may be as large:
 * this is on top of the request itself.
 */
const EACH_LARGE_READ = { rowsRead: 10_000, processorMs: 50, objectMs: 200 } as const;
/** An edit of a message that is archived and indexed writes more rows than a new message. */
const EACH_MESSAGE = { rowsWritten: 10, queueMessages: 2 } as const;
const EACH_SESSION = { rowsWritten: 40, queueMessages: 2 } as const;
/** The summarizer's instructions, and the frame around each message. */
const PROMPT_TOKENS = 700;
const EXPORTED_MS_PER_MB = { processorMs: 10, objectMs: 20 } as const;
/** The user may have added the same amount every day for so long before exporting or erasing all of it. */
const DAYS_KEPT = 30;
const MB = 1e6;

export interface UserDayRow {
  readonly does: string;
  /** Null: unlimited. */
  readonly most: number | null;
  readonly unit: string;
  readonly boundedBy: string;
  readonly dollars: number | null;
}

/** @internal A test compares the rows with the table in the documents. */
export function userDayRows(limits: SessionLimits | undefined, model: ModelPrices): UserDayRow[] {
  const { day, sessionsPerDay, exportsPerDay } = userBoundsOf(limits);
  const row = (
    does: string,
    [most, unit]: readonly [number | null, string],
    boundedBy: string,
    usageOf: (most: number) => Usage | null,
  ): UserDayRow => {
    const usage = most === null ? null : usageOf(most);
    return { does, most, unit, boundedBy, dollars: usage === null ? null : dollarsFor(usage, model) };
  };
  const edge = "`RATE_LIMIT_USER`";
  const summarized = (tokens: number, least: number): Usage => summaries(tokens, Math.ceil(tokens / least));
  return [
    row("send requests and frames", [REQUESTS_PER_DAY, "requests"], edge, (count) => times(EACH_REQUEST, count)),
    row("read with each as much as an answer may cost", [REQUESTS_PER_DAY, "reads"], edge, (count) =>
      times(EACH_LARGE_READ, count),
    ),
    row(
      "append, edit, fork or import messages, change sessions",
      [day.messages, "messages"],
      "`userMessagesPerDay`",
      (count) => times(EACH_MESSAGE, count),
    ),
    row("have them kept for a month, in the archive too", [day.bytes, "bytes"], "`userBytesPerDay`", (bytes) => ({
      objectByteMonths: bytes,
      postgresByteMonths: bytes,
    })),
    row(
      "have them summarized, each time for as little as a silent session is",
      [day.tokens, "tokens"],
      "`userTokensPerDay`",
      (tokens) => summarized(tokens, IDLE_SUMMARY_MIN_TOKENS),
    ),
    row(
      "have models read again, by edits, erasures, branches and by hand",
      [day.summarizerTokens, "tokens"],
      "`userSummarizerTokensPerDay`",
      (tokens) => summarized(tokens, MIN_USER_SUMMARY_TOKENS),
    ),
    row("create sessions", [sessionsPerDay, "sessions"], "`userSessionsPerDay`", (count) => times(EACH_SESSION, count)),
    row(
      `erase the messages of ${DAYS_KEPT} such days`,
      [day.messages === null ? null : day.messages * DAYS_KEPT, "messages"],
      `\`userMessagesPerDay\`, ${DAYS_KEPT} times`,
      (count) => times(EACH_MESSAGE, count),
    ),
    row("export all of them each time", [exportsPerDay, "exports"], "`userExportsPerDay`", (count) =>
      day.messages === null || day.bytes === null
        ? null
        : times(exportOf(day.messages * DAYS_KEPT, day.bytes * DAYS_KEPT), count),
    ),
  ];
}

function summaries(tokens: number, calls: number): Usage {
  const { summaryMaxTokens } = resolveSettings({});
  return {
    modelTokensIn: tokens + calls * (summaryMaxTokens + PROMPT_TOKENS),
    modelTokensOut: calls * summaryMaxTokens,
    rowsWritten: calls * 120,
    queueMessages: calls * 2,
    processorMs: calls * 200,
    objectCalls: calls * 8,
  };
}

function exportOf(messages: number, bytes: number): Usage {
  return {
    rowsRead: messages,
    objectCalls: bytes / MAX_PAGE_BYTES,
    ...times(EXPORTED_MS_PER_MB, bytes / MB),
  };
}

function times<U extends Usage>(usage: U, count: number): Usage {
  return Object.fromEntries(Object.entries(usage).map(([name, one = 0]) => [name, one * count]));
}

/** Renders the table in docs/security.md. */
export function renderUserDay(limits: SessionLimits | undefined, model: ModelPrices): string {
  const rows = userDayRows(limits, model);
  const sum = rows.reduce<number | null>(
    (all, { dollars }) => (all === null || dollars === null ? null : all + dollars),
    0,
  );
  return [
    "| a user's token can | at most in a day | bounded by | costs at most |",
    "| --- | --- | --- | --- |",
    ...rows.map(
      ({ does, most, unit, boundedBy, dollars }) =>
        `| ${does} | ${most === null ? "no bound" : `${most.toLocaleString("en")} ${unit}`} | ${boundedBy} | ${showDollars(dollars)} |`,
    ),
    `| **all of it** | | | **${showDollars(sum)}** |`,
  ].join("\n");
}

function showDollars(dollars: number | null): string {
  if (dollars === null) return "no bound";
  return dollars < 0.01 ? "under $0.01" : `$${dollars.toFixed(2)}`;
}
