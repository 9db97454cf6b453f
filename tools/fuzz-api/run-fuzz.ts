// Sends the requests, some at a time, and looks at each answer and at what must not change meanwhile.
import { javaScriptMs, residentMiB } from "../bench/machine.ts";
import { faultsOf } from "./check-answer.ts";
import type { OpenApiDocument } from "./document.ts";
import { type HostileRequest, makeRequest, type Surroundings } from "./hostile-request.ts";
import { type RawAnswer, sendRaw } from "./raw-http.ts";
import { frameFaults, sendFrames } from "./send-frames.ts";
import { listOperations } from "./sound-request.ts";

export interface FuzzTarget {
  readonly url: string;
  readonly apiKey: string;
  readonly adminKey: string | null;
  /** Of end users whose requests they all are; undefined: a back end's and the operator's. */
  readonly userTokens?: readonly string[];
  /** Told once the last of the requests is answered, before some of them are sent again. */
  readonly onEnd?: () => void;
  /** Undefined: its memory is not ours to look at. */
  readonly runtimePid: number | undefined;
}

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number): void;
}

export interface FuzzFailure {
  readonly place: number;
  readonly request: HostileRequest;
  readonly answer: RawAnswer | null;
  readonly faults: readonly string[];
}

export interface FuzzReport {
  readonly requests: number;
  readonly seconds: number;
  /** How many answers of each status, by operation. 0: the connection was closed. */
  readonly statuses: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Milliseconds that answers took, by operation. */
  readonly times: ReadonlyMap<string, readonly number[]>;
  readonly failures: readonly FuzzFailure[];
  /** What went wrong beside single answers. */
  readonly faults: readonly string[];
  /** Mean of each quarter; null where it cannot be read. */
  readonly memoryMiB: readonly (number | null)[];
  /** The most that was seen; null where it cannot be read. */
  readonly peakMiB: number | null;
  /** The dearest first; empty where the runtime's time cannot be read. */
  readonly dearest: readonly DearRequest[];
}

/** A request that held the runtime's thread for long, sent once more by itself. */
export interface DearRequest {
  readonly place: number;
  readonly operationId: string;
  readonly status: number;
  readonly bytes: number;
  readonly processorMs: number;
}

/** So many that took long among others are sent again, to see which of them it was. */
const SUSPECTS = 40;
const DEAREST = 10;
/** What an answer does not wait for is over by then, most of the time. */
const REST_MS = 100;
const AT_ONCE = 8;
const MEMORY_EVERY = 100;
/** The last quarter may have so much more than the second: caches fill, and objects stay for a while. */
const MAX_GROWTH_SHARE = 0.25;
const MIN_GROWTH_MIB = 64;
/** Enough to read; the rest are the same fault over again. */
const MAX_FAILURES = 50;

export async function runFuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const { requests, seed, signal } = options;
  const startedAt = performance.now();
  const around = await surroundingsOf(target, seed);
  const secrets = secretsOf(target);
  const canary = await Canary.put(target, seed);
  const statuses = new Map<string, Map<number, number>>();
  const times = new Map<string, number[]>();
  const failures: FuzzFailure[] = [];
  const memory: number[] = [];
  let suspects: { readonly place: number; readonly ms: number }[] = [];
  let next = 0;
  const isOver = (): boolean => next >= requests || failures.length >= MAX_FAILURES || signal?.aborted === true;
  async function sendInTurn(): Promise<void> {
    while (!isOver()) {
      const place = next;
      next += 1;
      const request = makeRequest(around, place);
      const [sentAt, before] = [performance.now(), timeOf(target)];
      const { answer, faults } = await attempt(target, request, secrets);
      times.set(request.operationId, [...(times.get(request.operationId) ?? []), performance.now() - sentAt]);
      const counts = statuses.get(request.operationId) ?? new Map<number, number>();
      statuses.set(request.operationId, counts.set(answer?.status ?? 0, (counts.get(answer?.status ?? 0) ?? 0) + 1));
      suspects.push({ place, ms: timeOf(target) - before });
      if (suspects.length > 2 * SUSPECTS) suspects = longest(suspects);
      if (faults.length > 0) failures.push({ place, request, answer, faults });
      if (place % MEMORY_EVERY === 0) {
        memory.push((target.runtimePid === undefined ? null : residentMiB(target.runtimePid)) ?? Number.NaN);
        options.onProgress?.(place);
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, sendInTurn));
  target.onEnd?.();
  const seconds = (performance.now() - startedAt) / 1_000;
  const memoryMiB = quartersOf(memory);
  const dearest = signal?.aborted === true ? [] : await weighAgain(target, around, longest(suspects));
  const faults = [...(await canary.faults()), ...(await livenessFaults(target)), ...growthFaults(memoryMiB)];
  return {
    requests: next,
    seconds,
    statuses,
    times,
    failures,
    faults,
    memoryMiB,
    peakMiB: peakOf(memory),
    dearest,
  };
}

function timeOf({ runtimePid }: FuzzTarget): number {
  return (runtimePid === undefined ? null : javaScriptMs(runtimePid)) ?? Number.NaN;
}

function longest(suspects: readonly { readonly place: number; readonly ms: number }[]) {
  return suspects
    .filter(({ ms }) => Number.isFinite(ms))
    .toSorted((one, other) => other.ms - one.ms)
    .slice(0, SUSPECTS);
}

/** Of eight requests at once each seems to take what the others took. One by one they show it. */
async function weighAgain(
  target: FuzzTarget,
  around: Surroundings,
  suspects: readonly { readonly place: number }[],
): Promise<DearRequest[]> {
  const weighed: DearRequest[] = [];
  const secrets = secretsOf(target);
  for (const { place } of suspects) {
    const request = makeRequest(around, place);
    const before = timeOf(target);
    const { answer } = await attempt(target, request, secrets);
    await new Promise((resolve) => {
      setTimeout(resolve, REST_MS);
    });
    const { operationId, body, frames = [] } = request;
    const bytes = (body?.byteLength ?? 0) + frames.reduce((sum, frame) => sum + Buffer.byteLength(frame), 0);
    weighed.push({ place, operationId, status: answer?.status ?? 0, bytes, processorMs: timeOf(target) - before });
  }
  return weighed.toSorted((one, other) => other.processorMs - one.processorMs).slice(0, DEAREST);
}

/** One of the requests by itself. */
export async function sendOne(target: FuzzTarget, seed: number, place: number): Promise<FuzzFailure> {
  const request = makeRequest(await surroundingsOf(target, seed), place);
  const secrets = secretsOf(target);
  return { place, request, ...(await attempt(target, request, secrets)) };
}

function peakOf(samples: readonly number[]): number | null {
  const known = samples.filter((sample) => Number.isFinite(sample));
  return known.length === 0 ? null : Math.max(...known);
}

function secretsOf({ apiKey, adminKey, userTokens = [] }: FuzzTarget): string[] {
  return [apiKey, ...(adminKey === null ? [] : [adminKey]), ...userTokens];
}

async function surroundingsOf(target: FuzzTarget, seed: number): Promise<Surroundings> {
  const { url, apiKey, adminKey, userTokens } = target;
  const document: OpenApiDocument = JSON.parse(await read(`${url}/openapi.json`));
  return {
    offers: listOperations(document),
    schemas: document.components.schemas,
    seed,
    apiKey,
    adminKey,
    ...(userTokens === undefined ? {} : { userTokens }),
  };
}

async function attempt(
  target: FuzzTarget,
  request: HostileRequest,
  secrets: readonly string[],
): Promise<Pick<FuzzFailure, "answer" | "faults">> {
  try {
    if (request.frames !== undefined) return await attemptFrames(target.url, request, request.frames, secrets);
    const answer = await sendRaw(target.url, request);
    return { answer, faults: faultsOf(request, answer, secrets) };
  } catch (error) {
    // The runtime goes on waiting for the rest of a body that is no chunked one, though it says so, before anything is ours.
    if (request.isBroken) return { answer: null, faults: [] };
    return { answer: null, faults: [error instanceof Error ? error.message : "was not answered"] };
  }
}

async function attemptFrames(
  url: string,
  { path, headers }: HostileRequest,
  frames: NonNullable<HostileRequest["frames"]>,
  secrets: readonly string[],
): Promise<Pick<FuzzFailure, "answer" | "faults">> {
  const [, bearer = ""] = headers.find(([name]) => name === "Authorization")?.[1].split(" ") ?? [];
  const told = await sendFrames(url, path, bearer, frames);
  const text = told.texts.join("\n");
  return {
    answer: { status: told.status, headers: {}, text, bodyBytes: text.length },
    faults: frameFaults(told, secrets),
  };
}

async function read(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, { headers });
  return `${response.ok ? "" : `${response.status} `}${await response.text()}`;
}

/** A session of another user, who does nothing meanwhile. */
class Canary {
  readonly #target: FuzzTarget;
  readonly #headers: Record<string, string>;
  readonly #session: string;
  #before = "";

  private constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    const user = `canary-${seed}-${crypto.randomUUID()}`;
    this.#headers = { Authorization: `Bearer ${target.apiKey}`, "Threadkeep-User": user };
    // The very id that the hostile requests use: theirs is another user's.
    this.#session = `fuzz-${seed}-0`;
  }

  static async put(target: FuzzTarget, seed: number): Promise<Canary> {
    const canary = new Canary(target, seed);
    const messages = Array.from({ length: 5 }, (_, at) => ({ id: `c-${at}`, role: "user", content: `Canary ${at}.` }));
    await fetch(`${target.url}/v1/sessions/${canary.#session}/messages`, {
      method: "POST",
      headers: { ...canary.#headers, "Content-Type": "application/json" },
      body: JSON.stringify({ messages }),
    });
    canary.#before = await canary.#look();
    if (!canary.#before.includes("Canary 4.")) throw new Error(`the canary was not stored: ${canary.#before}`);
    return canary;
  }

  async #look(): Promise<string> {
    const { url } = this.#target;
    const paths = [`/v1/sessions/${this.#session}/export`, "/v1/sessions?limit=100"];
    return (await Promise.all(paths.map((path) => read(url + path, this.#headers)))).join("\n");
  }

  async faults(): Promise<string[]> {
    return (await this.#look()) === this.#before ? [] : ["the session of somebody else was changed"];
  }
}

async function livenessFaults({ url, runtimePid }: FuzzTarget): Promise<string[]> {
  const isGone = runtimePid !== undefined && process.platform === "linux" && residentMiB(runtimePid) === null;
  const answer = await read(`${url}/livez`).catch((error: unknown) => String(error));
  return [
    ...(isGone ? ["the runtime was started anew: it had ended"] : []),
    ...(answer.includes('"ok"') ? [] : [`the service answers no more: ${answer}`]),
  ];
}

function quartersOf(samples: readonly number[]): (number | null)[] {
  const size = Math.floor(samples.length / 4);
  return [0, 1, 2, 3].map((quarter) => {
    const part = samples.slice(quarter * size, (quarter + 1) * size);
    const mean = part.reduce((sum, sample) => sum + sample, 0) / part.length;
    return Number.isFinite(mean) ? Math.round(mean) : null;
  });
}

function growthFaults([, second = null, , last = null]: readonly (number | null)[]): string[] {
  if (second === null || last === null) return [];
  const bound = second + Math.max(MIN_GROWTH_MIB, second * MAX_GROWTH_SHARE);
  return last <= bound ? [] : [`memory grew from ${second} MiB in the second quarter to ${last} MiB in the last`];
}
