import { createRandom } from "../../simulation/random.ts";
// Latency of appends and contexts on sessions of several lengths, next to the floor, one request at a time. The cases take turns in an
// order that changes with each round, so that other work on the machine affects all of them alike.
import type { Answer, BenchClient } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import { processorMs } from "./machine.ts";
import { type BenchSessions, inParallel } from "./sessions.ts";
import { type Distribution, distributionOf, ratioOf, shuffle } from "./statistics.ts";
import { createQuestions, createTalk, type Turn } from "./talk.ts";

const SIZES = [10, 100, 500, 1_000, 10_000] as const;
const SMALL_SIZE = 100;
const LARGE_SIZE = 10_000;

/**
 * Messages after the summary in the sessions whose contexts are read. All sessions of more than 100 messages are at the same point
 * between two summaries, about where a session of 100 messages still has its first summary ahead.
 */
const TAIL_MESSAGES = 80;
/** A session that is appended to grows from 10 % below its nominal size to 10 % above; then another session replaces it. */
const GROWTH_SHARE = 0.2;
const MIN_GROWTH = 4;

/** The closest things to an empty answer through one object with the same authentication. The cheaper of the two is the floor of a run. */
const FLOOR_CASES = ["floor: 404, unknown session", "floor: 200, empty page of messages"] as const;
/** Reading after the last seq returns an empty page. */
const LAST_SEQ = 999_999;

const APPEND_CASES = ["append, server's id", "append, client's id", "append with context"] as const;
type AppendCase = (typeof APPEND_CASES)[number];

export interface LatencyOptions {
  readonly samples: number;
  readonly warmUps: number;
  /** Requests of each case in a row, from which the processor time of one is computed; 0 leaves processor time out. */
  readonly costSamples: number;
}

interface LatencyRow {
  readonly operation: string;
  readonly messages: number | null;
  readonly ms: Distribution;
  /** This row's p50 divided by the floor's p50. */
  readonly overFloor: number | null;
  readonly answerBytes: number;
  /** Processor time of workerd for one request, including its share of background work. Null where the system does not report it. */
  readonly processorMs: number | null;
}

interface GrowthRatio {
  readonly operation: string;
  /** The p50 at 10,000 messages divided by the p50 at 100. */
  readonly ratio: number;
}

export interface LatencyReport {
  readonly samples: number;
  readonly rows: readonly LatencyRow[];
  readonly growth: readonly GrowthRatio[];
  readonly notes: readonly string[];
}

export interface LatencyParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  /** Process id of workerd; undefined if the service was not started here. */
  readonly runtimePid: number | undefined;
  readonly hasQuery: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

interface Case {
  readonly operation: string;
  readonly messages: number | null;
  run(): Promise<Answer>;
}

interface Measured {
  readonly times: number[];
  bytes: number;
  processorMs: number | null;
}

export async function measureLatency(parts: LatencyParts, options: LatencyOptions): Promise<LatencyReport> {
  const cases = [...(await floorCases(parts)), ...(await sizedCases(parts, options))];
  const measured = new Map<Case, Measured>(cases.map((one) => [one, { times: [], bytes: 0, processorMs: null }]));
  await takeTurns(parts, options, measured);
  await measureCosts(parts, options, measured);
  return reportOf(options, measured, parts.hasQuery);
}

async function floorCases({ client, sessions }: LatencyParts): Promise<Case[]> {
  const id = sessions.name("floor");
  await sessions.fill(id, 1, createTalk(0));
  const get = (resource: string, status: number) => () => client.send("GET", resource, null, [status]);
  const [unknown, emptyPage] = FLOOR_CASES;
  return [
    { operation: "GET /livez, no object", messages: null, run: get("/livez", 200) },
    { operation: unknown, messages: null, run: get(`/v1/sessions/${id}-unknown`, 404) },
    { operation: emptyPage, messages: null, run: get(`/v1/sessions/${id}/messages?afterSeq=${LAST_SEQ}`, 200) },
  ];
}

async function sizedCases(parts: LatencyParts, options: LatencyOptions): Promise<Case[]> {
  const cases: Case[] = [];
  for (const size of SIZES) {
    parts.onProgress(`making sessions of ${size.toLocaleString("en")} messages`);
    const nextSession = await makeAppendPool(parts, size, options);
    const readId = await makeReadSession(parts, size);
    cases.push(...appendCases(parts, size, nextSession), ...contextCases(parts, size, readId));
  }
  return cases;
}

function appendCases({ sessions }: LatencyParts, size: number, nextSession: () => Promise<string>): Case[] {
  const talk = createTalk(size);
  let count = 0;
  const run = async (operation: AppendCase): Promise<Answer> => {
    const id = await nextSession();
    const turn = talk();
    count += 1;
    switch (operation) {
      case "append, server's id":
        return sessions.append(id, turn);
      case "append, client's id":
        return sessions.append(id, turn, { messageId: `bench-${size}-${count}` });
      case "append with context":
        return sessions.append(id, turn, { withContext: true });
    }
  };
  return APPEND_CASES.map((operation) => ({ operation, messages: size, run: () => run(operation) }));
}

function contextCases({ sessions, hasQuery }: LatencyParts, size: number, id: string): Case[] {
  const plain: Case = { operation: "context", messages: size, run: () => sessions.context(id) };
  if (!hasQuery) return [plain];
  const ask = createQuestions(size);
  const run = (): Promise<Answer> => sessions.contextFor(id, ask());
  return [plain, { operation: "context with query", messages: size, run }];
}

/** Sessions to append to. Each is woken before it is used, so that no append is measured on a cold object. */
async function makeAppendPool(
  { sessions }: LatencyParts,
  size: number,
  options: LatencyOptions,
): Promise<() => Promise<string>> {
  const appends = APPEND_CASES.length * (options.warmUps + options.samples + options.costSamples);
  const growth = Math.min(appends, Math.max(MIN_GROWTH, Math.floor(size * GROWTH_SHARE)));
  const ids = Array.from({ length: Math.ceil(appends / growth) }, (_, at) => sessions.name(`append-${size}-${at}`));
  const talk = createTalk(size + 1);
  await inParallel(ids, (id) => sessions.fill(id, size - Math.floor(growth / 2), talk));
  await inParallel(ids, async (id) => void (await sessions.settle(id)));
  let given = 0;
  return async () => {
    const id = ids[Math.floor(given / growth)] ?? ids.at(-1) ?? "";
    if (given % growth === 0) await sessions.state(id);
    given += 1;
    return id;
  };
}

async function makeReadSession({ sessions }: LatencyParts, size: number): Promise<string> {
  const id = sessions.name(`read-${size}`);
  const talk: () => Turn = createTalk(size + 2);
  if (size <= SMALL_SIZE) await sessions.fill(id, size, talk);
  else {
    await sessions.fill(id, size - TAIL_MESSAGES, talk);
    await sessions.settle(id);
    await sessions.summarizeAll(id);
    await sessions.fill(id, TAIL_MESSAGES, talk);
  }
  await sessions.settle(id);
  return id;
}

async function takeTurns(
  { failures, signal, onProgress }: LatencyParts,
  { samples, warmUps }: LatencyOptions,
  measured: ReadonlyMap<Case, Measured>,
): Promise<void> {
  const random = createRandom(1);
  for (let round = -warmUps; round < samples; round += 1) {
    if (round % 10 === 0) onProgress(round < 0 ? "warming up" : `latency: round ${round} of ${samples}`);
    for (const [one, result] of shuffle([...measured], random)) {
      signal.throwIfAborted();
      try {
        const answer = await one.run();
        if (round < 0) continue;
        result.times.push(answer.ms);
        result.bytes += answer.body.length;
      } catch (error) {
        failures.note(placeOf(one), error);
      }
    }
  }
}

/** Runs one case after the other, because processor time cannot be attributed to requests that take turns. */
async function measureCosts(
  { failures, runtimePid, signal, onProgress }: LatencyParts,
  { costSamples }: LatencyOptions,
  measured: ReadonlyMap<Case, Measured>,
): Promise<void> {
  if (runtimePid === undefined || costSamples === 0) return;
  for (const [one, result] of measured) {
    onProgress(`processor time: ${placeOf(one)}`);
    const before = processorMs(runtimePid);
    for (let count = 0; count < costSamples; count += 1) {
      signal.throwIfAborted();
      await one.run().catch((error: unknown) => failures.note(placeOf(one), error));
    }
    const after = processorMs(runtimePid);
    if (before !== null && after !== null) result.processorMs = (after - before) / costSamples;
  }
}

function placeOf({ operation, messages }: Case): string {
  return messages === null ? operation : `${operation}, ${messages.toLocaleString("en")} messages`;
}

function reportOf(
  { samples }: LatencyOptions,
  measured: ReadonlyMap<Case, Measured>,
  hasQuery: boolean,
): LatencyReport {
  const timed = [...measured].flatMap(([one, result]) => {
    const ms = distributionOf(result.times);
    return ms === null ? [] : [{ one, result, ms }];
  });
  const floors = timed.filter(({ one }) => FLOOR_CASES.some((name) => name === one.operation));
  const floorMs = floors.length === 0 ? undefined : Math.min(...floors.map(({ ms }) => ms.p50Ms));
  const rows = timed.map(({ one, result, ms }) => ({
    operation: one.operation,
    messages: one.messages,
    ms,
    overFloor: ratioOf(ms.p50Ms, floorMs),
    answerBytes: Math.round(result.bytes / ms.count),
    processorMs: result.processorMs,
  }));
  return {
    samples,
    rows: sortRows(rows),
    growth: growthOf(rows),
    notes: hasQuery
      ? []
      : ["Contexts with a query are not measured: in the OpenAPI document of this service, POST …/context takes none."],
  };
}

function sortRows(rows: readonly LatencyRow[]): LatencyRow[] {
  const order = [...new Set(rows.map((row) => row.operation))];
  return rows.toSorted(
    (a, b) => order.indexOf(a.operation) - order.indexOf(b.operation) || (a.messages ?? 0) - (b.messages ?? 0),
  );
}

function growthOf(rows: readonly LatencyRow[]): GrowthRatio[] {
  const p50 = (operation: string, messages: number): number | undefined =>
    rows.find((row) => row.operation === operation && row.messages === messages)?.ms.p50Ms;
  return [...new Set(rows.map((row) => row.operation))].flatMap((operation) => {
    const ratio = ratioOf(p50(operation, LARGE_SIZE), p50(operation, SMALL_SIZE));
    return ratio === null ? [] : [{ operation, ratio }];
  });
}
