// The cost of the first request to a session that sleeps, next to the same request to a bare object with one table. Objects sleep after
// a restart, so each service is filled, stopped and started again. Processor time is measured, because it decides how many sessions one
// workerd can wake in a second.
import { mkdtempSync } from "node:fs";
import path from "node:path";
import { startService } from "../../scripts/dev/service.ts";
import { startBareService } from "./bare-object.ts";
import { BenchClient, type Target } from "./client.ts";
import { processorMs } from "./machine.ts";
import { BenchSessions, inParallel } from "./sessions.ts";
import { ratioOf } from "./statistics.ts";
import { createTalk, type Turn } from "./talk.ts";

/** Messages in each session. */
const MESSAGES = 10;
/** Sessions that are woken before measuring, so that the code of the Worker is compiled. */
const WARM_UPS = 300;
/** Requests of which one time is the mean. */
const BLOCK = 50;
/** Connections, for filling sessions in parallel. */
const FILLERS = 4;

/** Processor time of workerd for one request, in milliseconds; null where the system does not report it. */
interface WakeTimes {
  readonly asleep: number | null;
  readonly awake: number | null;
}

interface WakeRow {
  readonly operation: string;
  readonly session: WakeTimes;
  readonly bare: WakeTimes;
  /** The session's time asleep divided by the bare object's. */
  readonly ratio: number | null;
}

export interface WakeReport {
  readonly sessions: number;
  readonly messages: number;
  readonly rows: readonly WakeRow[];
}

export interface WakeParts {
  readonly directory: string;
  readonly bundleDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** A service that can be stopped and started again on the same data, and its requests. */
interface Sleeper {
  readonly name: string;
  start(): Promise<Started>;
  fill(open: Open, id: string, turns: readonly Turn[]): Promise<unknown>;
  /** Each kind of request, in the order of `OPERATIONS`. */
  readonly requests: readonly ((open: Open, id: string) => Promise<unknown>)[];
}

interface Started extends Target {
  readonly runtimePid: number | undefined;
  stop(): Promise<void>;
}

/** A started service, and what sends requests to it. */
interface Open {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  readonly runtimePid: number | undefined;
}

const OPERATIONS = ["context", "append"] as const;

const TURN: Turn = { role: "user", content: createTalk(2)().content };

function chatSessions(stateDir: string, bundleDir: string, signal: AbortSignal): Sleeper {
  return {
    name: "sessions",
    async start() {
      const service = await startService({ stateDir, bundleDir, signal });
      const { url, apiKey, pids } = service;
      return { url, apiKey, runtimePid: pids["runtime"], stop: () => service.stop() };
    },
    fill: ({ client }, id, messages) =>
      client.send("POST", `/v1/sessions/${id}/messages`, JSON.stringify({ messages }), [200, 201]),
    requests: [({ sessions }, id) => sessions.context(id), ({ sessions }, id) => sessions.append(id, TURN)],
  };
}

function bareObjects(directory: string): Sleeper {
  const append = ({ client }: Open, id: string, messages: readonly Turn[]): Promise<unknown> =>
    client.send("POST", `/${id}`, JSON.stringify({ messages }), [200]);
  return {
    name: "bare objects",
    start: () => startBareService(directory),
    fill: append,
    requests: [({ client }, id) => client.send("GET", `/${id}`, null, [200]), (open, id) => append(open, id, [TURN])],
  };
}

/** @param count sessions to wake for each kind of request */
export async function measureWake(parts: WakeParts, count: number): Promise<WakeReport> {
  const makeDirectory = (name: string): string => mkdtempSync(path.join(parts.directory, `${name}-`));
  const sessions = await measureSleeper(
    parts,
    count,
    chatSessions(makeDirectory("sessions"), parts.bundleDir, parts.signal),
  );
  const bare = await measureSleeper(parts, count, bareObjects(makeDirectory("bare")));
  const rows = OPERATIONS.map((operation, at): WakeRow => {
    const [ours, theirs] = [sessions[at] ?? UNKNOWN, bare[at] ?? UNKNOWN];
    const ratio = ratioOf(ours.asleep ?? undefined, theirs.asleep ?? undefined);
    return { operation, session: ours, bare: theirs, ratio };
  });
  return { sessions: count, messages: MESSAGES, rows };
}

const UNKNOWN: WakeTimes = { asleep: null, awake: null };

/** Returns the times of each kind of request. */
async function measureSleeper(parts: WakeParts, count: number, sleeper: Sleeper): Promise<WakeTimes[]> {
  const { signal, onProgress } = parts;
  const idsFor = (operation: string): string[] =>
    Array.from({ length: WARM_UPS + count }, (_, at) => `wake-${operation}-${at}`);
  await withStarted(sleeper, signal, async (open) => {
    const talk = createTalk(1);
    const ids = OPERATIONS.flatMap(idsFor);
    await inParallel(ids, async (id, at) => {
      signal.throwIfAborted();
      if (at % 100 === 0) onProgress(`wake: filling ${sleeper.name}, ${at} of ${ids.length}`);
      await sleeper.fill(open, id, Array.from({ length: MESSAGES }, talk));
    });
  });
  return withStarted(sleeper, signal, async (open) => {
    const times: WakeTimes[] = [];
    for (const [at, operation] of OPERATIONS.entries()) {
      onProgress(`wake: ${operation} of ${sleeper.name}`);
      const send = async (ids: readonly string[]): Promise<void> => {
        for (const id of ids) {
          signal.throwIfAborted();
          await sleeper.requests[at]?.(open, id);
        }
      };
      const ids = idsFor(operation);
      await send(ids.slice(0, WARM_UPS));
      const measured = ids.slice(WARM_UPS);
      times.push({
        asleep: await requestMs(open.runtimePid, measured, send),
        awake: await requestMs(open.runtimePid, measured, send),
      });
    }
    return times;
  });
}

/** Processor time of one request: the median of blocks of requests, so that one collection of garbage does not decide. */
async function requestMs(
  pid: number | undefined,
  ids: readonly string[],
  send: (ids: readonly string[]) => Promise<void>,
): Promise<number | null> {
  const blocks: number[] = [];
  for (let from = 0; from < ids.length; from += BLOCK) {
    const block = ids.slice(from, from + BLOCK);
    const before = pid === undefined ? null : processorMs(pid);
    await send(block);
    const after = pid === undefined ? null : processorMs(pid);
    if (before === null || after === null) return null;
    blocks.push((after - before) / block.length);
  }
  return blocks.toSorted((one, other) => one - other)[Math.floor(blocks.length / 2)] ?? null;
}

async function withStarted<T>(sleeper: Sleeper, signal: AbortSignal, body: (open: Open) => Promise<T>): Promise<T> {
  const started = await sleeper.start();
  const client = new BenchClient(started, FILLERS);
  try {
    const sessions = new BenchSessions(client, sleeper.name, signal);
    return await body({ client, sessions, runtimePid: started.runtimePid });
  } finally {
    client.close();
    await started.stop();
  }
}
