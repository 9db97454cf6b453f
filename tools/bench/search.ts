// How long a session takes to find what matters to a query, in a chat of made-up words that are as common and as rare as those of a
// language. A clock inside the object stands still while it computes, so the time is measured from outside: the time of the request, and
// the processor time that workerd takes for it, which stays the same on a busy machine. A query without any word takes the same path but
// looks for nothing, so it shows what the path itself costs. Where the service finds by meaning too, all messages are of users, so that
// each has a vector. The vector of each query is made before by a search in a session of one message, which then also shows what the path
// costs: what a model of vectors takes is not the session's time.
import { searchResultSchema } from "../../src/api/search.ts";
import { type Answer, type BenchClient, RequestFailure } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import { processorMs } from "./machine.ts";
import { type BenchSessions, inParallel } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createZipfQueries, createZipfTalk } from "./zipf-talk.ts";

const PLACE = "search";
/** As many as a context considers. */
const HITS = 20;
const NO_WORD = "?";
/** How often each query is sent. */
const ROUNDS = 5;
/** Other queries are sent first, so that the object is measured and not the compiler. */
const WARM_UPS = 100;
/** Vectors of 100,000 messages are made and saved in about 1,600 steps. */
const VECTORS_TIMEOUT_MS = 1_800_000;

export interface SearchOptions {
  /** Messages of each measured session. */
  readonly sizes: readonly number[];
  readonly queries: number;
  /** Whether the service finds by meaning too. */
  readonly byMeaning: boolean;
}

interface SearchTimes {
  readonly ms: Distribution | null;
  /** Processor time of workerd for each request. Null where the system does not report it. */
  readonly processor: Distribution | null;
}

interface SearchRow {
  readonly messages: number;
  /** From the first query until the index contains all messages. */
  readonly indexingMs: number;
  readonly floor: SearchTimes;
  /** Times of each query's first run. */
  readonly first: SearchTimes;
  /** Times of the same queries in the second run, in the same order. */
  readonly again: SearchTimes;
  /** Each query's fastest run: what it takes without garbage collection and without pauses of the machine. */
  readonly least: SearchTimes;
}

export interface SearchReport {
  /** How often each query was sent. */
  readonly rounds: number;
  readonly queries: number;
  readonly rows: readonly SearchRow[];
}

export interface SearchParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  /** Process id of workerd; undefined if the service was not started here. */
  readonly runtimePid: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function measureSearch(
  parts: SearchParts,
  { sizes, queries, byMeaning }: SearchOptions,
): Promise<SearchReport> {
  const { sessions, onProgress } = parts;
  const small = byMeaning ? sessions.name("search-1") : null;
  if (small !== null) await sessions.fill(small, 1, createZipfTalk(1));
  const made = sizes.map((messages) => ({ messages, id: sessions.name(`search-${messages}`) }));
  await inParallel(made, async ({ id, messages }) => {
    onProgress(`search: making a session of ${messages.toLocaleString("en")} messages`);
    await sessions.fill(id, messages, byMeaning ? createZipfTalk(1, ["user"]) : createZipfTalk(1));
    if (byMeaning) onProgress(`search: making ${messages.toLocaleString("en")} vectors`);
    await (byMeaning ? sessions.settle(id, VECTORS_TIMEOUT_MS) : sessions.settle(id));
  });
  const rows: SearchRow[] = [];
  for (const { id, messages } of made) rows.push(await measureSession(parts, { id, small }, messages, queries));
  return { rounds: ROUNDS, queries, rows };
}

/** The measured session, and the small one in which queries get their vectors; null: they have none. */
interface Measured {
  readonly id: string;
  readonly small: string | null;
}

async function measureSession(
  { client, failures, runtimePid, signal, onProgress }: SearchParts,
  { id, small }: Measured,
  messages: number,
  queries: number,
): Promise<SearchRow> {
  const where = `search: ${messages.toLocaleString("en")} messages`;
  const askIn = (session: string, query: string): Promise<Answer> =>
    client.send("POST", `/v1/sessions/${session}/search`, JSON.stringify({ query, limit: HITS }), [200]);
  const ask = (query: string): Promise<Answer> => askIn(id, query);
  const readMs = (): number | null => (runtimePid === undefined ? null : processorMs(runtimePid));
  const askAll = async (all: readonly string[], session = id): Promise<Asked[]> => {
    const asked: Asked[] = [];
    for (const query of all) {
      signal.throwIfAborted();
      if (small !== null) await askIn(small, query);
      const before = readMs();
      let ms: number | null = null;
      try {
        const answer = await askIn(session, query);
        if (session !== small) checkMeaning(answer, small !== null);
        ({ ms } = answer);
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
  const nothing = asked.map(() => NO_WORD);
  const floor = await (small === null ? askAll(nothing) : askAll(nothing, small));
  return {
    messages,
    indexingMs,
    floor: timesOf(floor),
    first: timesOf(first),
    again: timesOf(again),
    least: timesOf(least),
  };
}

/** Whatever was not searched as it should be is not what is measured. */
function checkMeaning({ body }: Answer, byMeaning: boolean): void {
  const { retrieval } = searchResultSchema.parse(JSON.parse(body.toString("utf8")));
  if (retrieval?.because !== undefined)
    throw new RequestFailure(`no meaning: ${retrieval.because}`, "a search by words only");
  if (byMeaning !== (retrieval !== undefined)) throw new Error("the service does not search as it was started to");
}

/** One query. Null if it failed, or if the system reports no processor time. */
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

/** Each search adds a few more slices to the index. */
async function untilIndexed(ask: (query: string) => Promise<Answer>): Promise<number> {
  for (let spent = 0; ;) {
    const { body, ms } = await ask(NO_WORD);
    spent += ms;
    const { indexedThroughSeq, headSeq } = searchResultSchema.parse(JSON.parse(body.toString("utf8")));
    if (indexedThroughSeq >= headSeq) return Math.round(spent);
  }
}
