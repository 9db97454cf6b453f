// Measures what each operation takes, on two services. The first records the runtime's telemetry, which is counted, but costs time. The
// second records none, and its processor time is measured.
import { readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Counts,
  type Measured,
  OPERATION_NAMES,
  type OperationName,
  SUMMARY_GROWTH_DAYS,
} from "../../scripts/bill/measured.ts";
import { type Service, startService } from "../../scripts/dev/service.ts";
import { processorMs } from "../bench/machine.ts";
import { ArchiveCopies } from "./archive-copies.ts";
import { Chats } from "./chats.ts";
import { mapCounts, readTraces, sumOf, type Trace } from "./telemetry.ts";

const TURNS_A_DAY = 20;
/** How many users chat on every day, and how many others stop halfway. */
const USERS = 2;
const DAYS = 6;
/**
 * Storage is measured after this day and at the end, and the difference is what a day adds: until then a session's summary grows to the size that its settings allow.
 */
const DAYS_BEFORE_GROWTH = SUMMARY_GROWTH_DAYS;
/** Sessions of one message. */
const BEGINNINGS = 10;
/** After this pause the work that an answer leaves behind is done, such as the entry in the list of owners. */
const AFTERMATH_MS = 1_500;
/** An object that is not called for ten seconds is evicted from memory. */
const SLEEP_MS = 13_000;
/** On a busy machine the runtime sometimes drops a span. Traces with a missing span are left out; too many of them end the run. */
const MAX_BROKEN = 0.1;
/** Processor time is averaged over this many requests, because a single one is shorter than the clocks are precise. */
const TIMED = 60;

export interface MeasureParts {
  /** An empty folder. Whoever created it removes it. */
  readonly directory: string;
  readonly bundleDir: string;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
}

type Quantities = Pick<Measured, "operations" | "bytes" | "tokensATurn" | "turnsADay">;

export async function measure(parts: MeasureParts): Promise<Quantities> {
  const counted = await count(parts);
  const times = await time(parts);
  const operationOf = (name: OperationName): Counts & { processorMs: number } => ({
    ...counted.counts[name],
    processorMs: round(times[name], 2),
  });
  return {
    tokensATurn: counted.tokensATurn,
    turnsADay: TURNS_A_DAY,
    operations: {
      begin: operationOf("begin"),
      askFirst: operationOf("askFirst"),
      askCold: operationOf("askCold"),
      askWarm: operationOf("askWarm"),
      answer: operationOf("answer"),
      silence: operationOf("silence"),
    },
    bytes: counted.bytes,
  };
}

interface Counted {
  readonly counts: Record<OperationName, Counts>;
  readonly bytes: Measured["bytes"];
  readonly tokensATurn: number;
}

async function count(parts: MeasureParts): Promise<Counted> {
  const { chats, chattingFrom, archive, tokensATurn } = await playDays(parts, { keepsTelemetry: true });
  const traces = readTraces(stateDirOf(parts));
  const objects = objectBytes(stateDirOf(parts));
  const days = (DAYS + DAYS_BEFORE_GROWTH) * USERS;
  const meanSize = (prefix: string): number => meanOf(objects, (name) => name.startsWith(prefix));
  const begin = meanSize("beginning-");
  const objectDay = (meanSize("user-") - meanSize("short-")) / (DAYS - DAYS_BEFORE_GROWTH);
  return {
    counts: countOperations(chats, traces, chattingFrom, days),
    bytes: {
      begin: Math.round(begin),
      firstSilence: Math.round(meanSize("short-") - begin - DAYS_BEFORE_GROWTH * objectDay),
      list: Math.round(objects.list),
      objectDay: Math.round(objectDay),
      ...archive.bytes,
    },
    tokensATurn,
  };
}

/** Bytes that a session takes in PostgreSQL, and of which tables and indexes, after the days until its summary stops growing. */
export interface ArchiveMeasured {
  readonly bytes: Pick<Measured["bytes"], "postgresSession" | "postgresDay">;
  readonly tables: string;
}

/** Measures the archive alone. It counts bytes, so it needs no quiet machine. */
export async function measureArchive(parts: MeasureParts): Promise<ArchiveMeasured> {
  return (await playDays(parts, { keepsTelemetry: false })).archive;
}

interface Played {
  readonly chats: Chats;
  readonly chattingFrom: number;
  readonly archive: ArchiveMeasured;
  readonly tokensATurn: number;
}

function stateDirOf({ directory }: MeasureParts): string {
  return path.join(directory, "counted");
}

/** The days of all users, on a service that has ended when this returns; its data remains. */
async function playDays(
  parts: MeasureParts,
  { keepsTelemetry }: { readonly keepsTelemetry: boolean },
): Promise<Played> {
  const { bundleDir, signal, onStep } = parts;
  const start = (): Promise<Service> =>
    startService({ stateDir: stateDirOf(parts), bundleDir, signal, keepsTelemetry });
  const chats = new Chats(await start());
  const copies = new ArchiveCopies();
  // All objects are evicted by then, and the runtime's telemetry does not pile up in memory.
  const restart = async (): Promise<void> => {
    await chats.service.stop();
    chats.service = await start();
    await chats.warmUp();
  };
  const users = Array.from({ length: USERS }, (_, at) => `user-${at}`);
  const short = Array.from({ length: USERS }, (_, at) => `short-${at}`);
  try {
    // The first request of a tenant and of a Worker does work that does not belong to the measured requests.
    await chats.warmUp();
    await copies.create(chats.service.databaseUrl);
    onStep("sessions of one message");
    for (let at = 0; at < BEGINNINGS; at += 1) await chats.ask(`beginning-${at}`, "begin");
    await sleep(AFTERMATH_MS, undefined, { signal });
    for (const session of [...users, ...short]) await chats.create(session);
    const chattingFrom = Date.now();
    let grown: Awaited<ReturnType<ArchiveCopies["measure"]>> | null = null;
    for (let day = 1; day <= DAYS; day += 1) {
      onStep(`day ${day} of ${DAYS}`);
      const awake = day <= DAYS_BEFORE_GROWTH ? [...users, ...short] : users;
      // The first question of the first day is not cold, because the session was just created.
      await chats.turns(awake, TURNS_A_DAY / 2, day > 1 ? "askFirst" : "askWarm");
      await restart();
      await chats.turns(awake, TURNS_A_DAY / 2, "askCold");
      await chats.fallSilent(awake, day);
      await sleep(AFTERMATH_MS, undefined, { signal });
      await copies.follow(chats.service.databaseUrl);
      if (day === DAYS_BEFORE_GROWTH) grown = await copies.measure(chats.service.databaseUrl);
      if (day === DAYS) break;
      await restart();
    }
    if (grown === null) throw new Error("The archive was not measured on any day.");
    const { bytesASession } = await copies.measure(chats.service.databaseUrl);
    // Half of the sessions had further days, and the average is over all of them.
    const later = (bytesASession - grown.bytesASession) * ((users.length + short.length) / users.length);
    const { messageTokens } = await chats.state(users[0] ?? "");
    return {
      chats,
      chattingFrom,
      archive: {
        bytes: {
          postgresSession: Math.round(grown.bytesASession),
          postgresDay: Math.round(later / (DAYS - DAYS_BEFORE_GROWTH)),
        },
        tables: grown.tables,
      },
      tokensATurn: Math.round(messageTokens / (DAYS * TURNS_A_DAY)),
    };
  } finally {
    await chats.service.stop();
  }
}

function countOperations(
  chats: Chats,
  traces: readonly Trace[],
  chattingFrom: number,
  days: number,
): Record<OperationName, Counts> {
  const operationById = new Map(chats.said.map(({ operation, requestId }) => [requestId, operation]));
  const foreground = new Map<OperationName, Counts[]>(OPERATION_NAMES.map((name) => [name, []]));
  const background: Counts[] = [];
  const aftermath: Counts[] = [];
  const broken = traces.filter(({ isWhole }) => !isWhole).length;
  if (broken > MAX_BROKEN * traces.length) {
    throw new Error(`${broken} of ${traces.length} traces lack spans. Measure again on a quieter machine.`);
  }
  let backgroundTraces = 0;
  for (const { startMs, root, requestIds, isWhole, counts } of traces) {
    const isBackground = (root === "alarm" || root === "queue") && startMs >= chattingFrom;
    if (isBackground) backgroundTraces += 1;
    if (!isWhole) continue;
    const operation = requestIds.map((id) => operationById.get(id)).find((name) => name !== undefined);
    if (operation !== undefined) foreground.get(operation)?.push(counts);
    else if (isBackground) background.push(counts);
    else if (root === "alarm" || root === "queue") aftermath.push(counts);
  }
  const mean = (all: readonly Counts[], by: number): Counts => mapCounts(sumOf(all), (sum) => round(sum / by, 2));
  const meanOfRequests = (name: OperationName, also: readonly Counts[] = []): Counts => {
    const all = foreground.get(name) ?? [];
    if (all.length === 0) throw new Error(`No request was found in the telemetry for ${name}.`);
    return mean([...all, ...also], all.length);
  };
  return {
    begin: meanOfRequests("begin", aftermath),
    askFirst: meanOfRequests("askFirst"),
    askCold: meanOfRequests("askCold"),
    askWarm: meanOfRequests("askWarm"),
    answer: meanOfRequests("answer"),
    // The lost traces are assumed to have taken as much as the others.
    silence: mean(background, (days * background.length) / backgroundTraces),
  };
}

async function time({ directory, bundleDir, signal, onStep }: MeasureParts): Promise<Record<OperationName, number>> {
  const service = await startService({ stateDir: path.join(directory, "timed"), bundleDir, signal });
  try {
    const chats = new Chats(service);
    const pid = service.pids["runtime"];
    const taken = async (body: () => Promise<void>): Promise<number> => {
      const before = pid === undefined ? null : processorMs(pid);
      await body();
      const after = pid === undefined ? null : processorMs(pid);
      if (before === null || after === null)
        throw new Error("This system does not report the processor time of processes. Measure on Linux.");
      return after - before;
    };
    const sessions = Array.from({ length: TIMED }, (_, at) => `timed-${at}`);
    const each = async (names: readonly string[], body: (session: string) => Promise<void>): Promise<number> =>
      (await taken(async () => {
        for (const session of names) await body(session);
      })) / names.length;
    onStep("processor time of requests");
    for (let turn = 0; turn < TIMED; turn += 1) await chats.turn("before", "askWarm");
    const begin = await each(
      sessions.map((name) => `${name}-begun`),
      (session) => chats.ask(session, "begin"),
    );
    for (const session of sessions) await chats.create(session);
    for (let turn = 1; turn < TURNS_A_DAY; turn += 1) {
      for (const session of sessions) await chats.turn(session, "askWarm");
    }
    const askWarm = await each(sessions, (session) => chats.ask(session, "askWarm"));
    const answer = await each(sessions, (session) => chats.answer(session));
    onStep("processor time of summaries, and of waking");
    // This includes polling until each summary is there, about a millisecond a poll.
    const silence = (await taken(() => chats.fallSilent(sessions, 1))) / sessions.length;
    await sleep(SLEEP_MS, undefined, { signal });
    const askFirst = await each(sessions, (session) => chats.ask(session, "askFirst"));
    await sleep(SLEEP_MS, undefined, { signal });
    const askCold = await each(sessions, (session) => chats.ask(session, "askCold"));
    return { begin, askFirst, askCold, askWarm, answer, silence };
  } finally {
    await service.stop();
  }
}

interface ObjectSizes {
  /** Bytes of each session's object. */
  readonly sessions: ReadonlyMap<string, number>;
  /** Bytes of a user's directory with one session. */
  readonly list: number;
}

function objectBytes(stateDir: string): ObjectSizes {
  const sessions = new Map<string, number>();
  for (const database of openObjects(stateDir, "threadkeep-ChatSession")) {
    const isSession = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'session'").get() !== undefined;
    const name = isSession ? database.prepare("SELECT session FROM session").get()?.["session"] : undefined;
    if (typeof name === "string") sessions.set(name, sizeOf(database));
    database.close();
  }
  const lists: number[] = [];
  for (const database of openObjects(stateDir, "threadkeep-Directory")) {
    lists.push(sizeOf(database));
    database.close();
  }
  return { sessions, list: lists.reduce((sum, bytes) => sum + bytes, 0) / lists.length };
}

function* openObjects(stateDir: string, className: string): Generator<DatabaseSync> {
  const folder = path.join(stateDir, "state/do", className);
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".sqlite") && name !== "metadata.sqlite") yield new DatabaseSync(path.join(folder, name));
  }
}

function sizeOf(database: DatabaseSync): number {
  const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
  return pages * Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
}

function meanOf({ sessions }: ObjectSizes, isWanted: (name: string) => boolean): number {
  const found = [...sessions].filter(([name]) => isWanted(name));
  if (found.length === 0) throw new Error("No object of a session was found in the service's data.");
  return found.reduce((sum, [, bytes]) => sum + bytes, 0) / found.length;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
