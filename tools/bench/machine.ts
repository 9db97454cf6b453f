// Facts about the machine, and what a process uses of it.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { distributionOf } from "./statistics.ts";

export interface MachineFacts {
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** The average number of runnable processes over 1, 5 and 15 minutes. */
  readonly loadAverage: readonly number[];
  readonly node: string;
  readonly workerd: string;
  /** The p50 of writing 4 KiB to the folder for temporary files and flushing it. An append does the same before it is answered. */
  readonly flushMs: number;
}

const FLUSHES = 50;

export function describeMachine(): MachineFacts {
  return {
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadAverage: loadAverage(),
    node: process.versions.node,
    workerd: versionOf("workerd"),
    flushMs: measureFlush(),
  };
}

function measureFlush(): number {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-flush-"));
  const file = openSync(path.join(directory, "block"), "w");
  try {
    const block = Buffer.alloc(4096, "x");
    const times = Array.from({ length: FLUSHES }, (_, at) => {
      const startedAt = performance.now();
      writeSync(file, block, 0, block.length, at * block.length);
      fdatasyncSync(file);
      return performance.now() - startedAt;
    });
    return distributionOf(times)?.p50Ms ?? 0;
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true, force: true });
  }
}

export function loadAverage(): number[] {
  return loadavg().map((value) => Math.round(value * 100) / 100);
}

function versionOf(name: string): string {
  const file = path.join(projectRoot, "node_modules", name, "package.json");
  const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
  const hasVersion = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return hasVersion ? String(manifest.version) : "unknown";
}

/** Resident memory in MiB; null where the system does not report it (no /proc), or if the process is gone. */
export function residentMiB(pid: number): number | null {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readProcFile(pid, "status"))?.[1];
  return kib === undefined ? null : Math.round(Number(kib) / 1024);
}

/**
 * Processor time of all threads of a process so far, in milliseconds; null where the system does not report it. It is exact to the
 * nanosecond, unlike /proc/PID/stat, which counts in steps of 10 ms. Time of ended threads is missing, so use it for short spans only.
 */
export function processorMs(pid: number): number | null {
  let nanoseconds = 0;
  const threads = listThreads(pid);
  for (const thread of threads) nanoseconds += Number(readProcFile(pid, `task/${thread}/schedstat`).split(" ")[0]);
  return threads.length === 0 || !Number.isFinite(nanoseconds) ? null : nanoseconds / 1e6;
}

/** Processor time so far of workerd's first thread, which runs all JavaScript, in milliseconds; null where the system does not report it. */
export function javaScriptMs(pid: number): number | null {
  const nanoseconds = Number(readProcFile(pid, `task/${pid}/schedstat`).split(" ")[0] || Number.NaN);
  return Number.isFinite(nanoseconds) ? nanoseconds / 1e6 : null;
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // Either this is not Linux, or the process has ended: in both cases the value is unknown.
  }
}

function readProcFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // For the same reasons as above.
  }
}
