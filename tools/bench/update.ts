// How long after the append that makes a summary due the summary is readable, and is in PostgreSQL. One session at a time, with the
// built-in extractive summarizer, or with a stand-in that answers at once, so that no model's time is included.
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { z } from "zod";
import { RequestFailure } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import type { BenchSessions } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createTalk, type Turn } from "./talk.ts";

const PLACE = "update latency";
const POLL_MS = 2;
const TIMEOUT_MS = 30_000;
/** The most that one turn counts in tokens. Turns are appended freely until the distance to the threshold is this small. */
const LARGEST_TURN_SHARE = 1.5;

export interface UpdateReport {
  /** Which summarizer was used, in words. */
  readonly summarizer: string;
  readonly sessions: number;
  /** Time until the first session's summary was readable, in ms. It is reported separately, because it loads code that the others find loaded. */
  readonly firstReadableMs: number | null;
  /** All times count from the moment the append is sent. */
  readonly acknowledged: Distribution | null;
  readonly readable: Distribution | null;
  readonly archived: Distribution | null;
  /** How many of the summaries were found in PostgreSQL; null if its address is unknown. */
  readonly rowsFound: number | null;
}

export interface UpdateParts {
  readonly summarizer: string;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  readonly databaseUrl: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

interface Update {
  readonly acknowledgedMs: number;
  readonly readableMs: number;
  readonly archivedMs: number;
}

const summarizedSchema = z.object({ summary: z.object({ degraded: z.boolean() }).nullable() });

export async function measureUpdates(parts: UpdateParts, count: number): Promise<UpdateReport> {
  const updates = new Map<string, Update>();
  const firstReadableMs = await measureFirst(parts);
  for (let index = 0; index < count; index += 1) {
    parts.signal.throwIfAborted();
    parts.onProgress(`update latency: session ${index + 1} of ${count}`);
    const id = parts.sessions.name(`update-${index}`);
    try {
      updates.set(id, await measureUpdate(parts, id, createTalk(index)));
    } catch (error) {
      parts.failures.note(PLACE, error);
    }
  }
  const timesOf = (pick: (update: Update) => number): Distribution | null =>
    distributionOf([...updates.values()].map(pick));
  return {
    summarizer: parts.summarizer,
    sessions: updates.size,
    firstReadableMs,
    acknowledged: timesOf((update) => update.acknowledgedMs),
    readable: timesOf((update) => update.readableMs),
    archived: timesOf((update) => update.archivedMs),
    rowsFound: parts.databaseUrl === undefined ? null : await checkRows(parts.databaseUrl, [...updates.keys()], parts),
  };
}

async function measureFirst(parts: UpdateParts): Promise<number | null> {
  try {
    return (await measureUpdate(parts, parts.sessions.name("update-first"), createTalk(0))).readableMs;
  } catch (error) {
    parts.failures.note(PLACE, error);
    return null;
  }
}

async function measureUpdate({ sessions, signal }: UpdateParts, id: string, talk: () => Turn): Promise<Update> {
  const crossing = await fillToThreshold(sessions, id, talk);
  const startedAt = performance.now();
  const { ms: acknowledgedMs } = await sessions.append(id, crossing);
  const readableMs = await pollUntil("the summary is readable", startedAt, signal, async () => {
    const { body } = await sessions.context(id, "?maxTokens=256");
    const { summary } = summarizedSchema.parse(JSON.parse(body.toString("utf8")));
    // A fallback summary would not measure the path to the model.
    if (summary?.degraded === true)
      throw new RequestFailure("summary degraded", `session ${id} has only a fallback summary`);
    return summary !== null;
  });
  const archivedMs = await pollUntil("the summary is archived", startedAt, signal, async () => {
    const state = await sessions.state(id);
    return state.summary !== null && state.archived;
  });
  return { acknowledgedMs, readableMs, archivedMs };
}

/** Appends turns until the next one, which it returns and which is twice as long, is certain to make a summary due. */
async function fillToThreshold(sessions: BenchSessions, id: string, talk: () => Turn): Promise<Turn> {
  await sessions.fill(id, 10, talk);
  for (;;) {
    const { settings, messageTokens, headSeq, summary } = await sessions.state(id);
    const left = (settings.summarizeAfterTokens ?? 0) - messageTokens;
    if (summary !== null || left <= 0)
      throw new RequestFailure("threshold missed", `session ${id} already has a summary`);
    const largestTurn = (messageTokens / headSeq) * LARGEST_TURN_SHARE;
    const fitting = Math.floor(left / largestTurn);
    if (fitting === 0) {
      const turn = talk();
      return { ...turn, content: `${turn.content} ${talk().content}` };
    }
    await sessions.fill(id, fitting, talk);
  }
}

async function pollUntil(
  what: string,
  startedAt: number,
  signal: AbortSignal,
  check: () => Promise<boolean>,
): Promise<number> {
  for (;;) {
    if (await check()) return performance.now() - startedAt;
    if (performance.now() - startedAt > TIMEOUT_MS) {
      throw new RequestFailure("no update", `after ${TIMEOUT_MS / 1_000} s it was still not the case that ${what}`);
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Looks at the rows in PostgreSQL, because `archived` is only what the session says about them. */
async function checkRows(databaseUrl: string, ids: readonly string[], { failures }: UpdateParts): Promise<number> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const found = await client.query(
      `select distinct s.session from sessions s join summaries v on v.epoch = s.epoch
       join summary_items i on i.epoch = v.epoch where s.session = any($1)`,
      [ids],
    );
    const count = found.rowCount ?? 0;
    if (count < ids.length) {
      const message = `${ids.length - count} of ${ids.length} archived summaries are not in PostgreSQL`;
      failures.note(PLACE, new RequestFailure("row missing", message));
    }
    return count;
  } finally {
    await client.end();
  }
}
