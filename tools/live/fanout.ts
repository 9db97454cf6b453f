// One session, many sockets, appends at a steady rate: how long until each reader has each event, and what that takes of the service.
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { processorMs, residentMiB } from "../bench/machine.ts";
import { type Distribution, distributionOf } from "../bench/statistics.ts";
import { Follower, type Place } from "./follower.ts";
import type { InspectedHeap } from "./inspected-heap.ts";
import { riseOfSecondHalf } from "./steadiness.ts";
import { createSession, write } from "./writer.ts";

const SETTLE_MS = 30_000;
const MEMORY_EVERY_MS = 5_000;
/** How many appends are measured before there are sockets, one after the other. */
const APPENDS_ALONE = 50;
/** How many sockets are being opened at the same time. */
const OPENED_AT_ONCE = 16;
/** The share by which memory may rise in the second half and still count as steady. */
const MAX_RISE = 0.1;

export interface FanoutOptions {
  readonly sockets: number;
  readonly appendsPerSecond: number;
  /** Appends before measuring, so that code is loaded. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** A rest after the appends, with every socket open, in which memory that was only held for a while is released. */
  readonly idleSeconds: number;
  /** Process id of workerd; undefined if it was not started here. */
  readonly runtimePid: number | undefined;
  /** Collects garbage before memory is measured. Otherwise garbage that V8 has not collected yet would look like a leak. */
  readonly heap: Pick<InspectedHeap, "collect"> | undefined;
  readonly signal: AbortSignal;
  onProgress(appends: number): void;
  /** Called every five seconds, during the appends and the rest after them. */
  onMemory(sample: MemorySample): void;
}

export interface MemorySample {
  readonly atSeconds: number;
  /** Resident memory of workerd. */
  readonly residentMiB: number;
  /** The heap of the Worker's isolate; null if it was not measured, or if the isolate is idle and its inspector does not answer. */
  readonly heapMiB: number | null;
}

export interface FanoutReport {
  readonly appends: number;
  readonly deliveries: number;
  /** How long it took to open all sockets, some at the same time. */
  readonly openSeconds: number;
  /** Appends before the first socket was opened. */
  readonly appendAlone: Distribution | null;
  /** From just before the append is sent until the event arrives. */
  readonly delivery: Distribution | null;
  readonly append: Distribution | null;
  /** Processor time of workerd, in percent of one core. */
  readonly processorPercent: number | null;
  /** Samples during the appends. */
  readonly memory: readonly MemorySample[];
  /** The sample after the rest. */
  readonly memoryAtRest: MemorySample | null;
  /** The share by which resident memory rose in the second half of the appends; null if there were too few samples. */
  readonly memoryRise: number | null;
  readonly faults: readonly string[];
}

/** All sockets read except one, which is opened and never read. */
export async function runFanout(place: () => Place, options: FanoutOptions): Promise<FanoutReport> {
  const { sockets, appendsPerSecond, warmUpSeconds, seconds, idleSeconds, runtimePid, signal } = options;
  const delivered: number[] = [];
  const answered: number[] = [];
  const state = { isMeasuring: false };
  const followers = Array.from(
    { length: sockets - 1 },
    () =>
      new Follower((content, at) => {
        if (state.isMeasuring && typeof content === "string") delivered.push(at - Number(content.split(" ")[0]));
      }, true),
  );
  await createSession(place);
  const appendOne = async (sentAt: number): Promise<void> => {
    const messages = [{ role: "user", content: `${sentAt} is when this was said, by the clock of who said it.` }];
    await write(place, { method: "POST", path: `/${place().session}/messages`, body: { messages } });
    if (state.isMeasuring) answered.push(performance.now() - sentAt);
  };
  let appends = 0;
  const under = new Set<Promise<void>>();
  const appendFor = async (span: number): Promise<void> => {
    const startedAt = performance.now();
    for (let count = 0; count < span * appendsPerSecond && !signal.aborted; count += 1) {
      await sleep(Math.max(0, startedAt + (count * 1_000) / appendsPerSecond - performance.now()));
      const sentAt = performance.now();
      const call = appendOne(sentAt);
      under.add(call);
      void call.finally(() => under.delete(call));
      appends += 1;
      options.onProgress(appends);
    }
    await Promise.all(under);
  };

  await appendFor(warmUpSeconds);
  state.isMeasuring = true;
  for (let count = 0; count < APPENDS_ALONE && !signal.aborted; count += 1) await appendOne(performance.now());
  state.isMeasuring = false;
  const appendAlone = distributionOf(answered.splice(0));
  appends = 0;
  const openedFrom = performance.now();
  const deaf = await connectDeaf(place());
  const waiting = [...followers];
  const openNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (!(await next.connect(place()))) throw new Error("a socket was not opened");
    }
  };
  await Promise.all(Array.from({ length: OPENED_AT_ONCE }, openNext));
  const openSeconds = (performance.now() - openedFrom) / 1_000;
  await appendFor(warmUpSeconds);
  state.isMeasuring = true;
  const spentBefore = runtimePid === undefined ? null : processorMs(runtimePid);
  const measuredFrom = performance.now();
  const memory: MemorySample[] = [];
  const noteMemory = async (): Promise<void> => {
    const sample = await sampleMemory(options, measuredFrom);
    if (sample === null) return;
    memory.push(sample);
    options.onMemory(sample);
  };
  const clock = setInterval(() => void noteMemory(), MEMORY_EVERY_MS);
  await appendFor(seconds);
  const samples = memory.length;
  const deadline = performance.now() + SETTLE_MS;
  while (followers.some(({ count }) => count < appends) && performance.now() < deadline) await sleep(20);
  const spent = runtimePid === undefined ? null : processorMs(runtimePid);
  const measuredMs = performance.now() - measuredFrom;
  await idle(idleSeconds, signal);
  clearInterval(clock);
  await noteMemory();
  const whileAppending = memory.slice(0, samples);
  const memoryRise = riseOfSecondHalf(whileAppending.map(({ residentMiB: resident }) => resident));

  const faults = followers.flatMap(({ fault, count }, reader) => {
    if (fault !== null) return [`reader ${reader} ${fault}`];
    return count === appends ? [] : [`reader ${reader} saw ${count} of ${appends} appends`];
  });
  if (memoryRise !== null && memoryRise > MAX_RISE) {
    faults.push(
      `memory rose by ${percent(memoryRise)} in the second half; at most ${percent(MAX_RISE)} counts as steady`,
    );
  }
  for (const follower of followers) follower.drop();
  deaf.destroy();
  return {
    appends,
    deliveries: followers.reduce((sum, { count }) => sum + count, 0),
    openSeconds,
    appendAlone,
    delivery: distributionOf(delivered),
    append: distributionOf(answered),
    processorPercent:
      spent === null || spentBefore === null ? null : Math.round((100 * (spent - spentBefore)) / measuredMs),
    memory: whileAppending,
    memoryAtRest: memory.slice(samples).at(-1) ?? null,
    memoryRise,
    faults,
  };
}

/** Null if workerd was not started here. */
async function sampleMemory(
  { runtimePid, heap }: Pick<FanoutOptions, "runtimePid" | "heap">,
  measuredFrom: number,
): Promise<MemorySample | null> {
  if (runtimePid === undefined) return null;
  const heapMiB = (await heap?.collect().catch(() => null)) ?? null;
  const resident = residentMiB(runtimePid);
  const atSeconds = Math.round((performance.now() - measuredFrom) / 1_000);
  return resident === null ? null : { atSeconds, residentMiB: resident, heapMiB };
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

async function idle(seconds: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until && !signal.aborted) await sleep(100);
}

/** Opens a socket by hand, and reads nothing after the answer to the upgrade. */
function connectDeaf({ url, apiKey, session }: Place): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        [
          `GET /v1/sessions/${session}/live HTTP/1.1`,
          `Host: ${hostname}:${port}`,
          `Authorization: Bearer ${apiKey}`,
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
          "\r\n",
        ].join("\r\n"),
      );
    });
    socket.once("error", reject);
    socket.once("data", (data) => {
      socket.pause();
      if (data.toString().startsWith("HTTP/1.1 101")) resolve(socket);
      else reject(new Error(`the upgrade was answered with ${data.toString().split("\r\n")[0]}`));
    });
  });
}
