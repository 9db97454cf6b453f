// Work that grows with a session is done in slices, because the platform ends an invocation that takes too much processor time. This
// section does each kind of such work on a session of many messages and reports the longest step. A step is one request, or all background
// work together, whose invocations are each shorter. To measure another kind of work, add an entry to `WORKS`.
import { setTimeout as sleep } from "node:timers/promises";
import { messageSchema } from "../../src/api/message.ts";
import { searchResultSchema } from "../../src/api/search.ts";
import type { BenchClient } from "./client.ts";
import { processorMs } from "./machine.ts";
import type { BenchSessions } from "./sessions.ts";
import { createZipfTalk } from "./zipf-talk.ts";

interface SliceRow {
  readonly work: string;
  readonly messages: number;
  /** Each request is a step. Background work is one step, although it consists of many invocations. */
  readonly steps: number;
  /** Processor time of workerd, in milliseconds. Null where the system does not report it. */
  readonly longestMs: number | null;
  readonly totalMs: number | null;
}

export interface SlicesReport {
  readonly rows: readonly SliceRow[];
}

export interface SlicesParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  /** Process id of workerd; undefined if the service was not started here. */
  readonly runtimePid: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** Runs one step and notes how long it took. */
type Step = <T>(body: () => Promise<T>) => Promise<T>;

interface SlicedWork {
  readonly name: string;
  /** @param ids the measured session, which has no pending work, and the fork that will be made of it */
  run(parts: SlicesParts, ids: Ids, step: Step): Promise<void>;
}

interface Ids {
  readonly source: string;
  readonly fork: string;
}

const POLL_MS = 100;
/** Background work counts as finished once the runtime has used less than this share of a processor for a while. */
const CALM_SHARE = 0.05;
const CALM_POLLS = 20;

/** The queries have no words, so that only the indexing is measured. */
async function index({ client, signal }: SlicesParts, id: string, step: Step): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { body } = await step(() =>
      client.send("POST", `/v1/sessions/${id}/search`, JSON.stringify({ query: "?" }), [200]),
    );
    const { indexedThroughSeq, headSeq } = searchResultSchema.parse(JSON.parse(body.toString("utf8")));
    if (indexedThroughSeq >= headSeq) return;
  }
}

/** Invocations of background work cannot be told apart from outside, so all of them together count as one step. */
async function inBackground(parts: SlicesParts, step: Step, begin: () => Promise<unknown>): Promise<void> {
  await step(async () => {
    await begin();
    await calm(parts);
  });
}

async function calm({ runtimePid, signal }: SlicesParts): Promise<void> {
  let before = runtimePid === undefined ? null : processorMs(runtimePid);
  for (let quiet = 0; quiet < CALM_POLLS;) {
    await sleep(POLL_MS, undefined, { signal });
    const now = runtimePid === undefined ? null : processorMs(runtimePid);
    quiet = now === null || before === null || now - before < CALM_SHARE * POLL_MS ? quiet + 1 : 0;
    before = now;
  }
}

const WORKS: readonly SlicedWork[] = [
  { name: "indexing", run: (parts, { source }, step) => index(parts, source, step) },
  {
    name: "copying (a fork)",
    async run(parts, { source, fork }, step) {
      await inBackground(parts, step, async () => {
        await parts.client.send("POST", `/v1/sessions/${source}/fork`, JSON.stringify({ id: fork }), [201, 202]);
        while ((await parts.sessions.state(fork)).status !== "active") {
          await sleep(POLL_MS, undefined, { signal: parts.signal });
        }
      });
    },
  },
  { name: "indexing the fork", run: (parts, { fork }, step) => index(parts, fork, step) },
  {
    name: "erasing the fork's messages with its source",
    async run(parts, { source, fork }, step) {
      const { client, signal } = parts;
      await inBackground(parts, step, async () => {
        await client.send("DELETE", `/v1/sessions/${source}`, null, [200, 202]);
        for (;;) {
          const { body } = await client.send("GET", `/v1/sessions/${fork}/messages/seq-1`, null, [200]);
          if (messageSchema.parse(JSON.parse(body.toString("utf8"))).erased === true) return;
          await sleep(POLL_MS, undefined, { signal });
        }
      });
    },
  },
];

export async function measureSlices(parts: SlicesParts, messages: number): Promise<SlicesReport> {
  parts.onProgress(`slices: making a session of ${messages.toLocaleString("en")} messages`);
  const ids = { source: parts.sessions.name("slices"), fork: parts.sessions.name("slices-fork") };
  await parts.sessions.fill(ids.source, messages, createZipfTalk(1));
  await parts.sessions.settle(ids.source);
  const rows: SliceRow[] = [];
  for (const work of WORKS) {
    parts.onProgress(`slices: ${work.name}`);
    rows.push(await measureWork(parts, work, ids, messages));
  }
  return { rows };
}

async function measureWork(parts: SlicesParts, work: SlicedWork, ids: Ids, messages: number): Promise<SliceRow> {
  const times: (number | null)[] = [];
  const readMs = (): number | null => (parts.runtimePid === undefined ? null : processorMs(parts.runtimePid));
  await work.run(parts, ids, async (body) => {
    const before = readMs();
    const result = await body();
    const after = readMs();
    times.push(before === null || after === null ? null : after - before);
    return result;
  });
  const known = times.filter((time) => time !== null);
  const isKnown = known.length === times.length && known.length > 0;
  return {
    work: work.name,
    messages,
    steps: times.length,
    longestMs: isKnown ? Math.max(...known) : null,
    totalMs: isKnown ? known.reduce((sum, time) => sum + time, 0) : null,
  };
}
