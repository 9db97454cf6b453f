// Computes what one user can cost in a day: everything that a user's token can do, as often as the limits allow, at the
// platform's prices.
import {
  IDLE_SUMMARY_MIN_TOKENS,
  MAX_MEANT_SESSIONS,
  MAX_PAGE_BYTES,
  MAX_WAIT_MS,
  MIN_USER_SUMMARY_TOKENS,
} from "../../src/api/limits.ts";
import { DAY_SECONDS, type SessionLimits } from "../../src/api/quota.ts";
import type { RequestAction } from "../../src/api/requests.ts";
import { resolveSettings } from "../../src/api/session.ts";
import { userBoundsOf } from "../../src/api/user-quota.ts";
import { USER_QUERIES_PER_MINUTE } from "../../src/usecases/query-meaning.ts";
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
const EACH_REQUEST = {
  requests: 1,
  processorMs: 3,
  objectCalls: 2,
  objectMs: 10,
  logBytes: 4_500,
  dataPoints: 1,
} as const;
/**
 * A search for words that every message contains reads `MAX_MATCHES` messages per word, and a context may be as large:
 * this is on top of the request itself.
 */
const EACH_LARGE_READ = { rowsRead: 10_000, processorMs: 50, objectMs: 200 } as const;
/** An edit of a message that is archived and indexed writes more rows than a new message. */
const EACH_MESSAGE = { rowsWritten: 10, queueMessages: 2 } as const;
const EACH_SESSION = { rowsWritten: 40, queueMessages: 2 } as const;
/**
 * An audited request is at most one event in a queue message of its own, and one row in PostgreSQL, which is kept for
 * the default of 400 days.
 */
const EACH_AUDITED = { queueMessages: 1, postgresByteMonths: 800 * (400 / 30) } as const;
/** A summary that is awaited keeps its object in memory for so long; each may be of another session. */
const EACH_AWAITED = { objectMs: MAX_WAIT_MS } as const;
/**
 * As much of a query as is embedded, at a token each character, which is more than embedding models count of most; and
 * each session in which a search across sessions looks for it.
 */
const EACH_QUERY = {
  modelTokensIn: 2_000,
  objectCalls: MAX_MEANT_SESSIONS,
  objectMs: MAX_MEANT_SESSIONS * EACH_REQUEST.objectMs,
} as const;
/** An example price of a model that makes vectors, as in docs/configuration.md. */
const EXAMPLE_EMBEDDER: ModelPrices = { input: 0.02, output: 0 };
const MINUTES_PER_DAY = DAY_SECONDS / 60;
/** The summarizer's instructions, and the frame around each message. */
const PROMPT_TOKENS = 700;
const EXPORTED_MS_PER_MB = { processorMs: 10, objectMs: 20 } as const;
/** The user may have added the same amount every day for so long before exporting or erasing all of it. */
const DAYS_KEPT = 30;
const MB = 1e6;

/**
 * Actions that a user may do, and the rows that count them, apart from the one that counts each request.
 * @internal A test checks that every action of the table of requests that a user may do is listed.
 */
export const ROWS_OF_ACTIONS = {
  createSession: ["sessions", "summaries", "events"],
  forkSession: ["messages", "bytes", "summaries", "sessions", "events", "waits"],
  listSessions: ["reads"],
  readSession: ["reads"],
  updateSession: ["messages", "events"],
  switchBranch: ["messages", "summariesAgain", "events"],
  eraseSession: ["erasures", "events"],
  appendMessages: ["messages", "bytes", "summaries", "summariesAgain", "sessions", "queries"],
  listMessages: ["reads"],
  readMessage: ["reads"],
  editMessage: ["messages", "bytes", "summariesAgain", "events"],
  eraseMessage: ["erasures", "summariesAgain", "events"],
  readContext: ["reads", "queries"],
  searchSession: ["reads", "queries"],
  searchMemory: ["reads", "queries"],
  listSummaries: ["reads"],
  readSummary: ["reads"],
  compareSummaries: ["reads"],
  restoreSummary: ["messages", "summariesAgain", "events"],
  listLosses: ["reads"],
  summarizeSession: ["summariesAgain", "waits", "events"],
  followSession: ["reads"],
  issueTicket: ["events"],
  exportSession: ["exports", "events"],
  importSession: ["messages", "bytes", "summaries", "sessions", "events"],
  beginImport: ["sessions", "events"],
  addImportLines: ["messages", "bytes"],
  readImport: ["reads"],
  completeImport: ["summaries", "events"],
  abandonImport: ["erasures", "events"],
  exportUser: ["exports", "events"],
  eraseUser: ["erasures", "events"],
  readUserErasure: ["reads"],
} as const satisfies Partial<Record<RequestAction, readonly string[]>>;

type NamedRow = (typeof ROWS_OF_ACTIONS)[keyof typeof ROWS_OF_ACTIONS][number] | "requests";

export interface UserDayRow {
  readonly name: NamedRow;
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
    name: UserDayRow["name"],
    does: string,
    [most, unit]: readonly [number | null, string],
    boundedBy: string,
    usageOf: (most: number) => Usage | null,
    prices = model,
  ): UserDayRow => {
    const usage = most === null ? null : usageOf(most);
    return { name, does, most, unit, boundedBy, dollars: usage === null ? null : dollarsFor(usage, prices) };
  };
  const edge = "`RATE_LIMIT_USER`";
  const summarized = (tokens: number, least: number): Usage => summaries(tokens, Math.ceil(tokens / least));
  return [
    row("requests", "send requests and frames", [REQUESTS_PER_DAY, "requests"], edge, (count) =>
      times(EACH_REQUEST, count),
    ),
    row("reads", "read with each as much as an answer may cost", [REQUESTS_PER_DAY, "reads"], edge, (count) =>
      times(EACH_LARGE_READ, count),
    ),
    row(
      "events",
      "change something with each, or ask for a ticket, which is audited",
      [REQUESTS_PER_DAY, "events"],
      edge,
      (count) => times(EACH_AUDITED, count),
    ),
    row("waits", "wait with each for a summary, while the model is away", [REQUESTS_PER_DAY, "waits"], edge, (count) =>
      times(EACH_AWAITED, count),
    ),
    row(
      "queries",
      "search by meaning, where embeddings are on",
      [USER_QUERIES_PER_MINUTE * MINUTES_PER_DAY, "queries"],
      `${USER_QUERIES_PER_MINUTE} a minute`,
      (count) => times(EACH_QUERY, count),
      EXAMPLE_EMBEDDER,
    ),
    row(
      "messages",
      "append, edit, fork or import messages, change sessions",
      [day.messages, "messages"],
      "`userMessagesPerDay`",
      (count) => times(EACH_MESSAGE, count),
    ),
    row(
      "bytes",
      "have them kept for a month, in the archive too",
      [day.bytes, "bytes"],
      "`userBytesPerDay`",
      (bytes) => ({
        objectByteMonths: bytes,
        postgresByteMonths: bytes,
      }),
    ),
    row(
      "summaries",
      "have them summarized, each time for as little as a silent session is",
      [day.tokens, "tokens"],
      "`userTokensPerDay`",
      (tokens) => summarized(tokens, IDLE_SUMMARY_MIN_TOKENS),
    ),
    row(
      "summariesAgain",
      "have models read again, by edits, erasures, branches and by hand",
      [day.summarizerTokens, "tokens"],
      "`userSummarizerTokensPerDay`",
      (tokens) => summarized(tokens, MIN_USER_SUMMARY_TOKENS),
    ),
    row(
      "sessions",
      "create sessions, each of which has the one that it continues summarized",
      [sessionsPerDay, "sessions"],
      "`userSessionsPerDay`",
      (count) => plus(times(EACH_SESSION, count), summaries(0, count)),
    ),
    row(
      "erasures",
      `erase the messages of ${DAYS_KEPT} such days`,
      [day.messages === null ? null : day.messages * DAYS_KEPT, "messages"],
      `\`userMessagesPerDay\`, ${DAYS_KEPT} times`,
      (count) => times(EACH_MESSAGE, count),
    ),
    row("exports", "export all of them each time", [exportsPerDay, "exports"], "`userExportsPerDay`", (count) =>
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

function plus(one: Usage, other: Usage): Usage {
  const sum: Record<string, number> = { ...one };
  for (const [name, amount = 0] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + amount;
  return sum;
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
