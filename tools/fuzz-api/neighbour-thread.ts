// The thread of neighbour.ts: it reads until it is told to stop, and then reports how long each read took.
import { parentPort, workerData } from "node:worker_threads";
import { javaScriptMs } from "../bench/machine.ts";
import type { NeighbourOrder, NeighbourRead } from "./neighbour.ts";

const READS_PER_SECOND = 8;

const { url, headers, runtimePid }: NeighbourOrder = workerData;
const over = new AbortController();
parentPort?.once("message", () => over.abort());

const beganAt = performance.now();
const reads: Promise<NeighbourRead>[] = [];
while (!over.signal.aborted) {
  const dueAt = beganAt + (reads.length * 1_000) / READS_PER_SECOND;
  await new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, dueAt - performance.now()));
  });
  reads.push(readOnce(dueAt));
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of Node has no origin
parentPort?.postMessage(await Promise.all(reads));

/** The time counts from the moment the read was due. */
async function readOnce(dueAt: number): Promise<NeighbourRead> {
  const before = workedSoFar();
  const isAnswered = await isGood();
  const [ms, after] = [performance.now() - dueAt, workedSoFar()];
  return { ms, workedMs: before === null || after === null ? null : after - before, isAnswered };
}

async function isGood(): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/context`, { headers });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false; // It is counted, because the count is reported.
  }
}

function workedSoFar(): number | null {
  return runtimePid === undefined ? null : javaScriptMs(runtimePid);
}
