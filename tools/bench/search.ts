// How long a session takes to find what matters to a query, in a chat of made-up words that are as common and as rare as those
// of a language. A clock inside the object stands still while it works, so it is looked at from outside: by the time of the
// request, and by the processor time that workerd takes for it, which says the same on a busy machine. A query without any word
// takes the same way and looks for nothing: what it takes is the way's.
import { searchResultSchema } from "../../src/api/search.ts";
import type { Answer, BenchClient } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import { processorMs } from "./machine.ts";
import { type BenchSessions, inParallel } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createZipfQueries, createZipfTalk } from "./zipf-talk.ts";

const PLACE = "search";
/** As many as a context is offered. */
const HITS = 20;
const NO_WORD = "?";
/** How often each query is asked. */
const ROUNDS = 5;
/** Other queries, asked before: what is measured is the object, not the compiler. */
const WARM_UPS = 100;

export interface SearchOptions {
  /** Messages of the sessions. */
  readonly sizes: readonly number[];
  readonly queries: number;
}

interface SearchTimes {
  readonly ms: Distribution | null;
  /** Of workerd, request by request. Null where the system does not say. */
  readonly processor: Distribution | null;
}

interface SearchRow {
  readonly messages: number;
  /** From the first query until the index covers all messages. */
  readonly indexingMs: number;
  readonly floor: SearchTimes;
  /** Each query asked for the first time. */
  readonly first: SearchTimes;
  /** The same queries once more, in the same order. */
  readonly again: SearchTimes;
  /** Each query at its quickest: what it takes by itself, without what the collector and the machine add now and then. */
  readonly least: SearchTimes;
}

export interface SearchReport {
  /** How often each query was asked. */
  readonly rounds: number;
  readonly queries: number;
  readonly rows: readonly SearchRow[];
}

export interface SearchParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  /** workerd; undefined if the service is not ours. */
  readonly runtimePid: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function measureSearch(parts: SearchParts, { sizes, queries }: SearchOptions): Promise<SearchReport> {
  const made = sizes.map((messages) => ({ messages, id: parts.sessions.name(`search-${messages}`) }));
  await inParallel(made, async ({ id, messages }) => {
    parts.onProgress(`search: making a session of ${messages.toLocaleString("en")} messages`);
    await parts.sessions.fill(id, messages, createZipfTalk(1));
    await parts.sessions.settle(id);
  });
  const rows: SearchRow[] = [];
  for (const { id, messages } of made) rows.push(await measureSession(parts, id, messages, queries));
  return { rounds: ROUNDS, queries, rows };
}

async function measureSession(
  { client, failures, runtimePid, signal, onProgress }: SearchParts,
  id: string,
  messages: number,
  queries: number,
): Promise<SearchRow> {
  const where = `search: ${messages.toLocaleString("en")} messages`;
  const ask = (query: string): Promise<Answer> =>
    client.send("POST", `/v1/sessions/${id}/search`, JSON.stringify({ query, limit: HITS }), [200]);
  const readMs = (): number | null => (runtimePid === undefined ? null : processorMs(runtimePid));
  const askAll = async (all: readonly string[]): Promise<Asked[]> => {
    const asked: Asked[] = [];
    for (const query of all) {
      signal.throwIfAborted();
      const before = readMs();
      let ms: number | null = null;
      try {
        ({ ms } = await ask(query));
      } catch (error) {
        failures.note(PLACE, error);
      }
      const after = readMs();
      asked.push({ ms, processorMs: before === null || after === null ? null : after - before });
    }
    return asked;
  };

  onProgress(`${where}, indexing`);
  const indexingMs = await untilIndexed(ask);
  onProgress(`${where}, warming up`);
  const warmUps = createZipfQueries(3);
  for (let count = 0; count < WARM_UPS; count += 1) await ask(warmUps());
  const next = createZipfQueries(2);
  const asked = Array.from({ length: queries }, next);
  onProgress(`${where}, asking`);
  const rounds: Asked[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await askAll(asked));
  const [first = [], again = []] = rounds;
  const least = asked.map((_, at) => leastOf(rounds.flatMap((round) => round[at] ?? [])));
  const floor = await askAll(asked.map(() => NO_WORD));
  return {
    messages,
    indexingMs,
    floor: timesOf(floor),
    first: timesOf(first),
    again: timesOf(again),
    least: timesOf(least),
  };
}

/** One request. Null is a failure, or a system that does not say. */
interface Asked {
  readonly ms: number | null;
  readonly processorMs: number | null;
}

function leastOf(asks: readonly Asked[]): Asked {
  const least = (times: (number | null)[]): number | null => {
    const known = times.filter((time) => time !== null);
    return known.length === 0 ? null : Math.min(...known);
  };
  return { ms: least(asks.map(({ ms }) => ms)), processorMs: least(asks.map(({ processorMs: time }) => time)) };
}

function timesOf(asks: readonly Asked[]): SearchTimes {
  return {
    ms: distributionOf(asks.flatMap(({ ms }) => ms ?? [])),
    processor: distributionOf(asks.flatMap(({ processorMs: time }) => time ?? [])),
  };
}

/** Each search indexes a few slices more. */
async function untilIndexed(ask: (query: string) => Promise<Answer>): Promise<number> {
  for (let spent = 0; ;) {
    const { body, ms } = await ask(NO_WORD);
    spent += ms;
    const { indexedThroughSeq, headSeq } = searchResultSchema.parse(JSON.parse(body.toString("utf8")));
    if (indexedThroughSeq >= headSeq) return Math.round(spent);
  }
}
