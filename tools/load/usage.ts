// What the workerds use of the machine while a load runs.
import { readdirSync, readFileSync } from "node:fs";
import { processorMs, residentMiB } from "../bench/machine.ts";

const SAMPLE_MS = 1_000;

export interface Usage {
  /** Resident memory of each workerd: at the end of the load, and the highest value; null where the system does not report it. */
  readonly memoryMiB: readonly { readonly end: number | null; readonly most: number | null }[];
  readonly descriptors: readonly { readonly end: number | null; readonly most: number | null }[];
  /** Processor time of all workerds together in ms, and how many processors that is on average. */
  readonly processorMs: number | null;
  readonly processors: number | null;
  /** The share of time in which this process was busy. Near 1 the client measures itself. */
  readonly clientBusy: number;
}

export interface UsageWatch {
  stop(): Usage;
}

export function watchUsage(pids: readonly number[]): UsageWatch {
  const memory = pids.map(() => ({ end: null as number | null, most: null as number | null }));
  const descriptors = pids.map(() => ({ end: null as number | null, most: null as number | null }));
  const note = (place: { end: number | null; most: number | null } | undefined, value: number | null): void => {
    if (place === undefined || value === null) return;
    place.end = value;
    place.most = Math.max(place.most ?? 0, value);
  };
  const look = (): void => {
    for (const [index, pid] of pids.entries()) {
      note(memory[index], residentMiB(pid));
      note(descriptors[index], countDescriptors(pid));
    }
  };
  const readProcessors = (): number | null => {
    const times = pids.map((pid) => processorMs(pid));
    return times.every((ms) => ms !== null) ? times.reduce((sum, ms) => sum + ms, 0) : null;
  };
  look();
  // Not waited for: a load that is interrupted never calls `stop`.
  const timer = setInterval(look, SAMPLE_MS).unref();
  const startMs = readProcessors();
  const loop = performance.eventLoopUtilization();
  const startedAt = performance.now();
  return {
    stop() {
      clearInterval(timer);
      look();
      const endMs = readProcessors();
      const spentMs = startMs === null || endMs === null ? null : endMs - startMs;
      const elapsedMs = performance.now() - startedAt;
      return {
        memoryMiB: memory,
        descriptors,
        processorMs: spentMs,
        processors: spentMs === null ? null : spentMs / elapsedMs,
        clientBusy: performance.eventLoopUtilization(loop).utilization,
      };
    },
  };
}

/** Null where the system does not report it, or if the process is gone. */
function countDescriptors(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}

/** How many file descriptors a process may have; null where the system does not say. */
export function descriptorLimit(pid: number | "self"): number | null {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    return null;
  }
}
