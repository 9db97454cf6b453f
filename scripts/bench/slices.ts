// Work that grows with a session goes in slices, since the platform ends an invocation that takes too much processor time. Here each
// such work is done on a session of many messages, step by step from outside, and the longest step is told. Another work is one more
// entry of `WORKS`.
import { searchResultSchema } from "../../src/contracts/search.ts";
import type { BenchClient } from "./client.ts";
import { processorMs } from "./machine.ts";
import type { BenchSessions } from "./sessions.ts";
import { createZipfTalk } from "./zipf-talk.ts";

export interface SliceRow {
  readonly work: string;
  readonly messages: number;
  /** Requests or wakes, each an invocation of its own. */
  readonly steps: number;
  /** Of workerd, in milliseconds. Null where the system does not say. */
  readonly longestMs: number | null;
  readonly totalMs: number | null;
}

export interface SlicesReport {
  readonly rows: readonly SliceRow[];
}

export interface SlicesParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  /** workerd; undefined if the service is not ours. */
  readonly runtimePid: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** Does one step of a work, and notes what it took. */
type Step = <T>(body: () => Promise<T>) => Promise<T>;

interface SlicedWork {
  readonly name: string;
  /** @param id a session of so many messages that has settled */
  run(parts: SlicesParts, id: string, step: Step): Promise<void>;
}

/** The queries have no word: what is measured is the indexing. */
const indexing: SlicedWork = {
  name: "indexing",
  async run({ client, signal }, id, step) {
    for (;;) {
      signal.throwIfAborted();
      const { body } = await step(() =>
        client.send("POST", `/v1/sessions/${id}/search`, JSON.stringify({ query: "?" }), [200]),
      );
      const { indexedThroughSeq, headSeq } = searchResultSchema.parse(JSON.parse(body.toString("utf8")));
      if (indexedThroughSeq >= headSeq) return;
    }
  },
};

const WORKS: readonly SlicedWork[] = [indexing];

export async function measureSlices(parts: SlicesParts, messages: number): Promise<SlicesReport> {
  const rows: SliceRow[] = [];
  for (const work of WORKS) {
    parts.onProgress(`slices: making a session of ${messages.toLocaleString("en")} messages`);
    const id = parts.sessions.name(`slices-${work.name}`);
    await parts.sessions.fill(id, messages, createZipfTalk(1));
    await parts.sessions.settle(id);
    parts.onProgress(`slices: ${work.name}`);
    rows.push(await measureWork(parts, work, id, messages));
  }
  return { rows };
}

async function measureWork(parts: SlicesParts, work: SlicedWork, id: string, messages: number): Promise<SliceRow> {
  const times: (number | null)[] = [];
  const readMs = (): number | null => (parts.runtimePid === undefined ? null : processorMs(parts.runtimePid));
  await work.run(parts, id, async (body) => {
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
