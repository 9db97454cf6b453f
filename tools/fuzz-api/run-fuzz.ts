// Sends the requests, several at a time, and checks each answer and everything that must not change meanwhile.
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
  /** The end users who send all requests; undefined: a back end and an operator send them. */
  readonly userTokens?: readonly string[];
  /** Called when the last request is answered, before some of them are sent again. */
  readonly onEnd?: () => void;
  /** Process id of the runtime; undefined if its memory cannot be observed. */
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
  /** How many answers had each status, by operation. 0 means that the connection was closed. */
  readonly statuses: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Answer times in milliseconds, by operation. */
  readonly times: ReadonlyMap<string, readonly number[]>;
  readonly failures: readonly FuzzFailure[];
  /** Faults that do not belong to a single answer. */
  readonly faults: readonly string[];
  /** Mean of each quarter of the run; null where it cannot be read. */
  readonly memoryMiB: readonly (number | null)[];
  /** The highest value; null where it cannot be read. */
  readonly peakMiB: number | null;
  /** Most expensive first; empty where the time of the runtime's thread cannot be read. */
  readonly dearest: readonly DearRequest[];
}

/** A request that occupied the runtime's thread for long, and was sent once more by itself. */
export interface DearRequest {
  readonly place: number;
  readonly operationId: string;
  readonly status: number;
  readonly bytes: number;
  readonly processorMs: number;
}

/** How many of the slowest requests are sent again one by one, to see which of them is really expensive. */
const SUSPECTS = 40;
const DEAREST = 10;
/** By then the work that an answer does not wait for is usually done. */
const REST_MS = 100;
const AT_ONCE = 8;
const MEMORY_EVERY = 100;
/** How much more memory the last quarter may use than the second. Some growth is normal: caches fill, and objects stay for a while. */
const MAX_GROWTH_SHARE = 0.25;
const MIN_GROWTH_MIB = 64;
/** Enough failures to read; further ones are usually the same fault. */
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

/** Of eight requests at once, each seems to take what the others took. Sent one by one, they show their own time. */
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

/** Sends one of the requests by itself. */
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
    // The runtime waits for the rest of a malformed chunked body, although its headers promise an end, before our code sees it.
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

/** A session of another user, who does nothing during the run. */
class Canary {
  readonly #target: FuzzTarget;
  readonly #headers: Record<string, string>;
  readonly #session: string;
  #before = "";

  private constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    const user = `canary-${seed}-${crypto.randomUUID()}`;
    this.#headers = { Authorization: `Bearer ${target.apiKey}`, "Threadkeep-User": user };
    // It has the id that the hostile requests use, but belongs to another user.
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
    return (await this.#look()) === this.#before ? [] : ["another user's session was changed"];
  }
}

async function livenessFaults({ url, runtimePid }: FuzzTarget): Promise<string[]> {
  const isGone = runtimePid !== undefined && process.platform === "linux" && residentMiB(runtimePid) === null;
  const answer = await read(`${url}/livez`).catch((error: unknown) => String(error));
  return [
    ...(isGone ? ["the runtime ended and was started again"] : []),
    ...(answer.includes('"ok"') ? [] : [`the service no longer answers: ${answer}`]),
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
